/**
 * What an operator must mend, by code. `docs/errors.md` lists them, and a test compares the two.
 * `status` is the HTTP status, `advice` ends the log line.
 */
export const operatingErrors = {
  NIX_MISSING: {
    status: 500,
    retryable: false,
    advice: 'install nix-bin or start the service with npm start',
  },
  NIX_FAILED: {
    status: 500,
    retryable: false,
    advice: 'run the named Nix command by hand on this machine',
  },
  NIX_TOO_OLD: {
    status: 500,
    retryable: false,
    advice: 'install a newer Nix or pin an older package set',
  },
  NO_SPACE: {
    status: 500,
    retryable: false,
    advice: 'free disk space where the store and the storage directory live',
  },
  NO_PERMISSION: {
    status: 500,
    retryable: false,
    advice: 'give the service user access to the named path',
  },
  STORAGE_FAILED: { status: 500, retryable: true, advice: 'check the storage directory' },
  PACK_FAILED: {
    status: 500,
    retryable: true,
    advice: 'verify the named store path with nix-store --verify-path',
  },
  SOURCE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    advice: 'check the network and the mirror that the package set comes from',
  },
  OVERLOADED: { status: 503, retryable: true, advice: 'raise NIXERY_MAX_BUILDS or add machines' },
  STILL_BUILDING: { status: 503, retryable: true, advice: 'pull again; the build goes on' },
  SHUTTING_DOWN: { status: 503, retryable: true, advice: 'pull again from an instance that runs' },
} as const

export type OperatingCode = keyof typeof operatingErrors

/** Thrown for failures that no request caused. Context goes into `cause`. */
export class OperatingError extends Error {
  readonly code: OperatingCode

  constructor(code: OperatingCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OperatingError'
    this.code = code
  }
}
