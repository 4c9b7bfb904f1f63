/**
 * What an operator must mend, by code; `docs/errors.md` is made of this table.
 * `status` is the HTTP status, `summary` what a client reads, `advice` ends the log line.
 */
export const operatingErrors = {
  NIX_MISSING: {
    status: 500,
    retryable: false,
    summary: 'this registry has no Nix',
    advice:
      'install nix-bin or start the service with npm start; for users other than root the Nix daemon must run too (nix-setup-systemd brings it)',
  },
  NIX_FAILED: {
    status: 500,
    retryable: false,
    summary: 'Nix failed on this registry',
    advice: 'run the named Nix command by hand on this machine',
  },
  NIX_TOO_OLD: {
    status: 500,
    retryable: false,
    summary: 'the Nix of this registry is too old',
    advice: 'install Nix 2.4 or newer, or name one in NIXERY_NIX_BIN',
  },
  NO_SPACE: {
    status: 500,
    retryable: false,
    summary: 'this registry has no disk space left',
    advice: 'free disk space where the store and the storage directory live',
  },
  NO_PERMISSION: {
    status: 500,
    retryable: false,
    summary: 'this registry may not use a file or directory that it needs',
    advice: 'give the service user access to the named path',
  },
  UNFIT_FILESYSTEM: {
    status: 500,
    retryable: false,
    summary: 'this registry has its files where it cannot work with them',
    advice: 'choose a directory on a local file system or NFS; CIFS and 9p lack what is needed',
  },
  STORAGE_FAILED: {
    status: 500,
    retryable: true,
    summary: 'the storage of this registry failed: pull again later',
    advice: 'check the storage directory, or the bucket and its endpoint',
  },
  STORAGE_BUSY: {
    status: 503,
    retryable: true,
    summary: 'the storage of this registry does not answer: pull again later',
    advice: 'check the network to the bucket and the limits on requests to it',
  },
  BUCKET_MISSING: {
    status: 500,
    retryable: false,
    summary: 'this registry has no bucket to store images in',
    advice: 'make the bucket, or mend GCS_BUCKET or NIXERY_S3_BUCKET',
  },
  BUCKET_LOGIN: {
    status: 500,
    retryable: false,
    summary: 'this registry cannot log in to its bucket',
    advice:
      'check the credentials: GOOGLE_APPLICATION_CREDENTIALS, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or the role of the machine',
  },
  BUCKET_DENIED: {
    status: 500,
    retryable: false,
    summary: 'this registry may not use the bucket that it needs',
    advice:
      'give the account of the service the right to read, write, list and delete objects of the bucket',
  },
  CLOCK_SKEW: {
    status: 500,
    retryable: false,
    summary: 'the clock of this registry is wrong, and its storage refuses it',
    advice: 'set the clock of this machine; signed requests are refused when it is minutes off',
  },
  PACK_FAILED: {
    status: 500,
    retryable: true,
    summary: 'a layer of the image could not be made: pull again later',
    advice: 'verify the named store path with nix-store --verify-path',
  },
  SOURCE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    summary: 'the package set of this registry cannot be reached: pull again later',
    advice: 'check the network and the address that the package set comes from',
  },
  CACHE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    summary: 'a binary cache of this registry cannot be reached: pull again later',
    advice:
      'check the addresses in NIXERY_SUBSTITUTERS, the credentials in NIXERY_NETRC and the network',
  },
  CACHE_UNTRUSTED: {
    status: 500,
    retryable: false,
    summary: 'a binary cache of this registry has signatures that it does not trust',
    advice:
      'add the public key of the cache to NIXERY_TRUSTED_KEYS, or the service’s user to trusted-users of the Nix daemon',
  },
  SPEC_INVALID: {
    status: 500,
    retryable: false,
    summary: 'the stored spec of this image cannot be read',
    advice: 'mend the named file in NIXERY_IMAGES_DIR',
  },
  OVERLOADED: {
    status: 503,
    retryable: true,
    summary: 'too many builds run and wait: pull again later',
    advice: 'raise NIXERY_MAX_BUILDS or add machines',
  },
  STILL_BUILDING: {
    status: 503,
    retryable: true,
    summary: 'the image is not built yet and its build goes on: pull again',
    advice: 'pull again; the build goes on',
  },
  STARTING: {
    status: 503,
    retryable: true,
    summary: 'this registry makes its package index and is not ready yet: pull again',
    advice: 'wait for the line that begins with ready; the first start takes some minutes',
  },
  SHUTTING_DOWN: {
    status: 503,
    retryable: true,
    summary: 'this instance is shutting down: pull again',
    advice: 'pull again from an instance that runs',
  },
} as const

export type OperatingCode = keyof typeof operatingErrors

/** Thrown for failures that no request caused. The message is for operators; context goes into `cause`. */
export class OperatingError extends Error {
  readonly code: OperatingCode

  constructor(code: OperatingCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OperatingError'
    this.code = code
  }
}

/** What strangers learn of a fault: its kind. Messages name paths and commands of this machine. */
export function describeFault(error: unknown): string {
  return error instanceof OperatingError
    ? `${error.code}: ${operatingErrors[error.code].summary}`
    : 'the registry failed; its log says why'
}
