import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { layerSchemes } from '#core/layers/layer-scheme.ts'
import { isPublicKey, isSettingValue, isStoreAddress } from '#core/nix/nix-setting.ts'
import { platformOf, type Platforms } from '#core/nix/system.ts'
import { isGitAddress, isReferenceName } from '#core/request/git-reference.ts'
import { mostPackages } from '#core/request/image-request.ts'

/** Whole number within bounds, from text. */
const wholeNumber = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'a whole number').transform(Number).pipe(z.number().min(min).max(max))

const onOff = z.enum(['on', 'off']).transform((text) => text === 'on')

/** Items between commas, without spaces around them; at most so many. */
function commaList<Item extends z.ZodType<string, string>>(item: Item, most: number) {
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item).min(1).max(most))
}

/** Items between spaces, as nix.conf has them. */
function wordList<Item extends z.ZodType<string, string>>(item: Item, most: number) {
  return z
    .string()
    .transform((text) => text.split(/\s+/).filter((part) => part !== ''))
    .pipe(z.array(item).max(most))
}

/** Text that can be told apart from the settings around it. */
const oneLine = z.string().regex(/^\P{Cc}{1,4096}$/u)
const oneWord = z.string().regex(/^[^\s\p{Cc}]{1,4096}$/u)

const gitAddress = oneLine.refine(isGitAddress)
const gitAddressAllowed =
  'an address that git understands: a URL, host:path, or the absolute path of a repository'

/** What both kinds of buckets may be called; each server knows more rules of its own. */
const bucketName = z.string().regex(/^[a-z0-9][-._a-z0-9]{1,220}[a-z0-9]$/)

/** A server: signatures cover the path, so none is put in front of the bucket's. */
const httpAddress = z
  .url({ protocol: /^https?$/, abort: true })
  .refine((text) => new URL(text).pathname === '/' && !/[?#@]/.test(text))

/** Without port, as in `Host`. */
const hostName = z
  .string()
  .regex(/^(?=.{1,253}$)[a-z0-9]([-_.a-z0-9]*[a-z0-9])?$/i)
  .transform((name) => name.toLowerCase())

/** What goes into nix.conf and must stay the one setting that it is. */
const settingText = oneLine.refine(isSettingValue)
const storeAddress = oneWord.refine(isStoreAddress)

/** Patterns are compared with every name of a request. */
const patterns = commaList(z.string().regex(/^[-+._*a-zA-Z0-9]+$/), 1000)

/** Nix compares it whole: without the version it would allow nothing. Versions have a digit. */
const nameWithVersion = z
  .string()
  .regex(/^[+._?=a-zA-Z0-9][-+._?=a-zA-Z0-9]*-[-+._?=a-zA-Z0-9]*\d[-+._?=a-zA-Z0-9]*$/)

export interface Variable {
  readonly schema: z.ZodType
  /** Completes the sentence "allowed is …". */
  readonly allowed: string
  readonly about: string
}

/**
 * Every environment variable of the service. The table is the documentation: `docs/configuration.md`
 * is compared with it by a test.
 */
export const variables = {
  PORT: {
    schema: wholeNumber(0, 65_535).default(8080),
    allowed: 'a port from 0 to 65535 (0 takes a free one)',
    about: 'Port of the registry.',
  },
  NIXERY_HOST: {
    // Node's own choice is `::`, and 0.0.0.0 on a machine without IPv6.
    schema: z.string().min(1).optional(),
    allowed: 'an address of this machine',
    about: 'Address to listen on; all addresses unless set.',
  },
  NIXERY_HOSTNAMES: {
    schema: commaList(hostName, 100).optional(),
    allowed: 'host names with commas between them',
    about:
      'Names that the service is called by, beside `localhost` and addresses; requests for other names are a 421. All names unless set.',
  },
  NIXERY_STATE_DIRECTORY: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'an absolute path',
    about:
      'What the service keeps between starts; `nixery` in the state directory of the user (`$XDG_STATE_HOME` or `~/.local/state`) unless set.',
  },
  NIXERY_WEB: {
    schema: z.enum(['off', 'status', 'full']).default('status'),
    allowed: 'off, status or full',
    about:
      'How much strangers see beside the registry: nothing, with `off`; page, documentation and what happens in builds, with `status`; with `full` also what builders print, which otherwise only those who ordered a build see.',
  },
  WEB_DIR: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a directory',
    about:
      'Your own files instead of the page at `/`; what is not there is a 404, also while the directory does not exist.',
  },
  NIXERY_STORAGE_BACKEND: {
    schema: z.enum(['filesystem', 'gcs', 's3']).default('filesystem'),
    allowed: 'filesystem, gcs or s3',
    about: 'Where layers and manifests are stored; see [storage.md](storage.md).',
  },
  STORAGE_PATH: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'an absolute path',
    about: 'Directory of the filesystem backend; `storage` in the state directory unless set.',
  },
  GCS_BUCKET: {
    schema: bucketName.optional(),
    allowed: 'the name of a bucket',
    about: 'Bucket of the gcs backend.',
  },
  GOOGLE_APPLICATION_CREDENTIALS: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a JSON file of credentials',
    about:
      'Account of the gcs backend; the key of a service account also signs download addresses. Unless set, the account is that of the machine (Application Default Credentials). Without a key the bucket has to be public where clients download from it.',
  },
  NIXERY_GCS_ENDPOINT: {
    schema: httpAddress.optional(),
    allowed: 'an http or https address without a path',
    about: 'Where Google’s API is, when it is not at its usual address.',
  },
  NIXERY_GCS_PUBLIC_ENDPOINT: {
    schema: httpAddress.optional(),
    allowed: 'an http or https address without a path',
    about:
      'The same server as clients reach it, for download addresses; `NIXERY_GCS_ENDPOINT` unless set.',
  },
  NIXERY_S3_BUCKET: {
    schema: bucketName.optional(),
    allowed: 'the name of a bucket',
    about:
      'Bucket of the s3 backend. Credentials are found as every program of AWS does: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, or the role of the machine.',
  },
  NIXERY_S3_ENDPOINT: {
    schema: httpAddress.optional(),
    allowed: 'an http or https address without a path',
    about: 'Server of the s3 backend when it is not AWS: MinIO, R2, Ceph and the like.',
  },
  NIXERY_S3_PUBLIC_ENDPOINT: {
    schema: httpAddress.optional(),
    allowed: 'an http or https address without a path',
    about:
      'The same server as clients reach it, for download addresses; `NIXERY_S3_ENDPOINT` unless set.',
  },
  NIXERY_S3_REGION: {
    schema: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/)
      .optional(),
    allowed: 'a region such as eu-central-1',
    about:
      'Region of the bucket; that of `AWS_REGION` or the AWS profile unless set, and `us-east-1` for other servers.',
  },
  NIXERY_S3_PATH_STYLE: {
    schema: onOff.optional(),
    allowed: 'on or off',
    about:
      'Whether the bucket stands in the path of addresses and not in the host; on with `NIXERY_S3_ENDPOINT` and off without, unless set.',
  },
  NIXERY_SERVE_BLOBS: {
    schema: z.enum(['redirect', 'proxy']).optional(),
    allowed: 'redirect or proxy',
    about:
      'Whether clients download layers from the bucket or through the service; redirect for buckets unless set. A directory is always served through the service.',
  },
  NIXERY_URL_TTL: {
    // Both signatures of version 4 end after a week at the latest.
    schema: wholeNumber(60, 7 * 86_400).default(3600),
    allowed: 'seconds from 60 to 604800',
    about: 'How long a signed download address works.',
  },
  NIXERY_NEAR_CACHE_MIB: {
    schema: wholeNumber(0, 16 * 2 ** 20).default(1024),
    allowed: 'mebibytes from 0 (no cache) to 16777216',
    about:
      'Size of the cache on local disk in front of a bucket, for documents and, in proxy mode, layers.',
  },
  NIXERY_SPOOL_MIB: {
    // Two parts of an upload: with less nothing moves while one is sent.
    schema: wholeNumber(32, 2 ** 20).default(1024),
    allowed: 'mebibytes from 32 to 1048576',
    about: 'Most local disk that uploads to a bucket take while they are on their way.',
  },
  NIXERY_GC_HOURS: {
    schema: wholeNumber(0, 24 * 30).default(0),
    allowed: 'hours from 0 (never) to 720',
    about:
      'How often garbage is collected; see [storage.md](storage.md#garbage-collection). The limits below also hold for `nixery gc`.',
  },
  NIXERY_GC_UNUSED_DAYS: {
    schema: wholeNumber(1, 3650).optional(),
    allowed: 'days from 1 to 3650',
    about: 'Images that nobody has pulled for so long are removed.',
  },
  NIXERY_GC_AGE_DAYS: {
    schema: wholeNumber(1, 3650).optional(),
    allowed: 'days from 1 to 3650',
    about: 'Images that were made so long ago are removed, however often they are pulled.',
  },
  NIXERY_GC_MAX_GIB: {
    schema: wholeNumber(1, 2 ** 20).optional(),
    allowed: 'gibibytes from 1 to 1048576',
    about: 'Most that the storage holds: the images that were pulled least recently are removed.',
  },
  NIXERY_GC_NIX_STORE_GIB: {
    schema: wholeNumber(1, 2 ** 20).optional(),
    allowed: 'gibibytes from 1 to 1048576',
    about: 'Size above which the Nix store is collected too; never unless set.',
  },
  NIXERY_CHANNEL: {
    schema: oneLine.refine(isReferenceName).optional(),
    allowed: 'a channel of nixpkgs such as nixos-unstable, a branch, or a commit of 40 hex digits',
    about: 'Serve nixpkgs instead of the bundled Debian set; see [sources.md](sources.md).',
  },
  NIXERY_PKGS_REPO: {
    schema: gitAddress.optional(),
    allowed: gitAddressAllowed,
    about:
      'Serve a git repository instead of the bundled Debian set: tags of images are its branches, tags and commits.',
  },
  NIXERY_PKGS_PATH: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a Nix file or directory',
    about:
      'Serve a directory of this machine instead of the bundled Debian set. In a clean git work tree it is pinned by its commit; otherwise its images are built anew at every pull.',
  },
  NIXERY_SOURCES: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a YAML or JSON file',
    about: 'Several package sources with names, instead of the three above.',
  },
  NIXERY_TAGS: {
    schema: patterns.default(['*']),
    allowed: 'patterns with commas between them, * standing for any text',
    about: 'Tags beside `latest` that `NIXERY_CHANNEL` and `NIXERY_PKGS_REPO` serve.',
  },
  NIXERY_ANY_COMMIT: {
    schema: onOff.default(false),
    allowed: 'on or off',
    about:
      'Serve commits that no branch or tag leads to. Hosting services show commits of anybody’s fork under the address of the original.',
  },
  NIXERY_PIN_TTL: {
    schema: wholeNumber(0, 7 * 86_400).default(300),
    allowed: 'seconds from 0 to 604800',
    about:
      'How long the commit of a channel or branch is taken for current before its origin is asked again; with 0 it is asked at every pull, and at most every five seconds.',
  },
  NIXERY_KEPT_SOURCES: {
    schema: wholeNumber(1, 1000).default(8),
    allowed: 'a number from 1 to 1000',
    about: 'Unpacked revisions of package sources that stay in the state directory.',
  },
  NIXERY_NIXPKGS_REPO: {
    schema: gitAddress.optional(),
    allowed: gitAddressAllowed,
    about:
      'The git repository of nixpkgs, where it is a mirror or a fork; https://github.com/NixOS/nixpkgs unless set.',
  },
  NIXERY_NIXPKGS_TARBALL: {
    schema: z
      .url({ protocol: /^https?$/ })
      .includes('{commit}')
      .optional(),
    allowed: 'an http or https address with {commit} in it',
    about:
      'Where archives of nixpkgs come from; `/archive/{commit}.tar.gz` of `NIXERY_NIXPKGS_REPO` unless set.',
  },
  NIXERY_GITHUB_TARBALL: {
    schema: z
      .url({ protocol: /^https?$/ })
      .includes('{rev}')
      .default('https://{host}/{owner}/{repo}/archive/{rev}.tar.gz'),
    allowed: 'an http or https address with {rev} in it, and {host}, {owner}, {repo} as needed',
    about: 'Where flakes’ inputs of type github come from: a mirror.',
  },
  NIXERY_CHANNELS_URL: {
    schema: z.url({ protocol: /^https?$/ }).default('https://channels.nixos.org'),
    allowed: 'an http or https address',
    about: 'Where channels say which commit they are.',
  },
  NIXERY_GIT_TOKEN_FILE: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a file with one token',
    about:
      'Token for the http(s) host of the configured repository, one host only. SSH keys and credential helpers of the user work without.',
  },
  NIXERY_NETRC: {
    schema: settingText.startsWith('/').optional(),
    allowed: 'the absolute path of a netrc file',
    about: 'Logins for repositories, archives and binary caches, by host.',
  },
  NIXERY_ALLOWED_URIS: {
    schema: wordList(oneWord, 100).default([]),
    allowed: 'beginnings of addresses, with spaces between them',
    about:
      'What package sets may download while they are evaluated (`allowed-uris` of Nix), for sets that pin their inputs with `fetchTarball`.',
  },
  NIXERY_DEBIAN_MIRROR: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    allowed: 'an http or https address that ends in the directory with dists/ and pool/',
    about: 'Debian mirror of the bundled set; that of the apt configuration unless set.',
  },
  NIXERY_DEBIAN_SECURITY_MIRROR: {
    schema: z.url({ protocol: /^https?$/ }).optional(),
    allowed: 'an http or https address that ends in the directory with dists/ and pool/',
    about: 'Mirror of the security updates; that of the apt configuration unless set.',
  },
  NIXERY_REFRESH_HOURS: {
    schema: wholeNumber(0, 24 * 30).default(24),
    allowed: 'hours from 0 (never) to 720',
    about: 'How often the index of the bundled set is renewed.',
  },
  NIXERY_PLATFORMS: {
    schema: commaList(z.enum(['linux/amd64', 'linux/arm64']), 2)
      .refine((texts) => new Set(texts).size === texts.length)
      .default([process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'])
      .transform((texts): Platforms => {
        const [first, ...others] = texts.map((text) =>
          platformOf(text === 'linux/arm64' ? 'arm64' : 'amd64'),
        )
        return [first ?? platformOf('amd64'), ...others]
      }),
    allowed: 'linux/amd64, linux/arm64, or both with a comma between them',
    about:
      'Platforms of images whose name says neither `amd64` nor `arm64`; that of the machine unless set. With both, such a name is an image index; clients that take none get the first platform. Instances behind one name must agree on it.',
  },
  NIXERY_IMAGES_DIR: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of a directory',
    about: 'Stored specs: files that give images names of their own, see [images.md](images.md).',
  },
  NIXERY_LABEL_REVISION: {
    schema: onOff.default(false),
    allowed: 'on or off',
    about:
      'Labels in images that say which revision of the package source they were made of. Digests then change with the revision, even where nothing else does.',
  },
  NIXERY_ALLOW_UNFREE: {
    schema: onOff.default(false),
    allowed: 'on or off',
    about: 'Serve packages with an unfree licence.',
  },
  NIXERY_ALLOW_BROKEN: {
    schema: onOff.default(false),
    allowed: 'on or off',
    about: 'Serve packages that are marked as broken.',
  },
  NIXERY_ALLOW_INSECURE: {
    schema: commaList(nameWithVersion, 1000).default([]),
    allowed: 'names with version such as openssl-1.1.1w, with commas between them',
    about: 'Packages that are served in spite of known vulnerabilities.',
  },
  NIXERY_ALLOW: {
    schema: patterns.default([]),
    allowed: 'patterns of package names with commas between them, * standing for any text',
    about:
      'The packages that are served, by the names that people ask for; all unless set. What `shell` stands for needs no pattern.',
  },
  NIXERY_DENY: {
    schema: patterns.default([]),
    allowed: 'patterns of package names with commas between them, * standing for any text',
    about:
      'Packages that are not served, by the name asked for, the attribute it stands for or lies in, or the name of its derivation. Wins over `NIXERY_ALLOW`. What other packages need is not looked at, and whoever knows the digest of an image that is stored may have it under another name.',
  },
  NIXERY_MAX_PACKAGES: {
    schema: wholeNumber(1, mostPackages).default(mostPackages),
    allowed: `a number from 1 to ${mostPackages}`,
    about: 'Most packages in one name.',
  },
  NIXERY_MAX_CLOSURE_MIB: {
    schema: wholeNumber(1, 1_048_576).optional(),
    allowed: 'mebibytes from 1 to 1048576',
    about:
      'Largest image, unpacked; no bound unless set. It is known, and looked at, once the packages are in the Nix store.',
  },
  NIXERY_NIX_BIN: {
    schema: z.string().startsWith('/').optional(),
    allowed: 'the absolute path of the directory that holds nix-store',
    about: 'Where the Nix commands are; found in `PATH` unless set.',
  },
  NIXERY_SUBSTITUTERS: {
    schema: wordList(storeAddress, 100).default([]),
    allowed:
      'addresses of binary caches without logins, which NIXERY_NETRC has, with spaces between them',
    about: 'Binary caches beside those of `nix.conf`.',
  },
  NIXERY_TRUSTED_KEYS: {
    schema: wordList(oneWord.refine(isPublicKey), 100).default([]),
    allowed: 'public keys as name:base64, with spaces between them',
    about: 'Public keys that those caches sign with.',
  },
  NIXERY_SUBSTITUTE_ONLY: {
    schema: onOff.default(false),
    allowed: 'on or off',
    about:
      'Build nothing from source: what no binary cache has is refused by name. Not for the bundled set, which nobody’s cache has.',
  },
  NIXERY_BUILDERS: {
    schema: settingText.optional(),
    allowed: 'machines as `builders` of nix.conf lists them, with semicolons between them',
    about: 'Remote builders.',
  },
  NIXERY_PUSH_CACHE: {
    schema: storeAddress.optional(),
    allowed: 'the address of a Nix store such as file:///srv/cache or s3://bucket, without a login',
    about: 'Where what was built or downloaded is copied to, in the background.',
  },
  NIX_TIMEOUT: {
    schema: wholeNumber(1, 86_400).default(60),
    allowed: 'seconds from 1 to 86400',
    about: 'How long one builder may run.',
  },
  NIXERY_BUILD_DEADLINE: {
    schema: wholeNumber(1, 7 * 86_400).default(3600),
    allowed: 'seconds from 1 to 604800',
    about: 'How long one image may take in all.',
  },
  NIXERY_BUILD_GRACE: {
    schema: wholeNumber(0, 86_400).default(600),
    allowed: 'seconds from 0 to 86400',
    about: 'How long a build goes on after the last client that waited for it has left.',
  },
  NIXERY_MAX_BUILDS: {
    schema: wholeNumber(1, 64).default(2),
    allowed: 'a number from 1 to 64',
    about: 'Images that are built at the same time.',
  },
  NIXERY_MAX_QUEUED_BUILDS: {
    schema: wholeNumber(0, 10_000).default(64),
    allowed: 'a number from 0 to 10000',
    about: 'Builds that may wait for their turn before clients are sent away with 503.',
  },
  NIXERY_PACK_THREADS: {
    schema: wholeNumber(1, 64).default(Math.min(64, availableParallelism())),
    allowed: 'a number from 1 to 64',
    about: 'Threads that compress layers; one per core unless set.',
  },
  NIXERY_SEGMENT_CACHE_MIB: {
    schema: wholeNumber(0, 16 * 2 ** 20).default(4096),
    allowed: 'mebibytes from 0 (no cache) to 16777216',
    about:
      'Size of the cache of compressed store paths, so that one that moves to another layer is not compressed again.',
  },
  NIXERY_LAYER_SCHEME: {
    schema: z.enum(layerSchemes).default('stable'),
    allowed: 'stable or original',
    about:
      'How packages are spread over layers: a layer for every store path that is worth one, which most images and updates share, or as Nixery did. Digests of images differ between the two.',
  },
  NIXERY_LAYER_BUDGET: {
    // 125 is the most that docker takes; the root layer needs one of them.
    schema: wholeNumber(1, 124).default(94),
    allowed: 'a number from 1 to 124',
    about:
      'Most layers for store paths. Docker takes 125 in all; the default leaves 30 for images built FROM this one.',
  },
  NIXERY_COMPRESSION: {
    schema: z.enum(['gzip', 'zstd']).default('gzip'),
    allowed: 'gzip or zstd',
    about:
      'How layers are compressed; gzip, which every client reads, unless set. zstd takes a fraction of the time and needs Docker 23, containerd 1.5 or newer, see [images.md](images.md#layers).',
  },
  NIXERY_GZIP_LEVEL: {
    schema: wholeNumber(1, 9).default(5),
    allowed: 'a level from 1 (fast) to 9 (small)',
    about: 'How hard gzip compresses.',
  },
  NIXERY_ZSTD_LEVEL: {
    // Levels above only look further back, and a frame holds no more than 4 MiB.
    schema: wholeNumber(1, 19).default(2),
    allowed: 'a level from 1 (fast) to 19 (small)',
    about: 'How hard zstd compresses.',
  },
  NIX_POPULARITY_URL: {
    schema: z.url({ protocol: /^(https?|file)$/ }).optional(),
    allowed: 'an http, https or file address of a JSON object {"name": number}',
    about:
      'Popularity of packages for `NIXERY_LAYER_SCHEME=original`, loaded at the start; the one that was loaded last while the address cannot be read. Derived from each closure alone unless set.',
  },
  NIXERY_POPULARITY_REFRESH_HOURS: {
    schema: wholeNumber(0, 24 * 30).default(24),
    allowed: 'hours from 0 (never) to 720',
    about: 'How often `NIX_POPULARITY_URL` is loaded again. Digests change when it has changed.',
  },
  LOG_LEVEL: {
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    allowed: 'debug, info, warn, error or silent',
    about: 'How much is logged.',
  },
} as const satisfies Record<string, Variable>

export type VariableName = keyof typeof variables

/** What the environment says, with every default filled in. */
export type VariableValues = {
  readonly [Name in VariableName]: z.output<(typeof variables)[Name]['schema']>
}
