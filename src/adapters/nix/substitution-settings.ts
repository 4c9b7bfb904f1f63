/** Where outputs come from beside this machine's own builders. Values of one line, without `#`. */
export interface SubstitutionOptions {
  /** Binary caches beside those that nix.conf and the settings of the service name. */
  readonly caches?: {
    readonly substituters: readonly string[]
    readonly trustedKeys: readonly string[]
    /** Credentials for the caches; an absolute path. */
    readonly netrcFile?: string
  }
  /** Remote builders as `builders` in nix.conf has them, `;` between two. */
  readonly builders?: string
}

/** The same in the words of nix.conf. What is `extra-` comes after the setting that it adds to. */
export function substitutionSettings(options: SubstitutionOptions): ReadonlyMap<string, string> {
  const { substituters = [], trustedKeys = [], netrcFile } = options.caches ?? {}
  const { builders } = options
  const settings: readonly (readonly [string, string | undefined])[] = [
    ['extra-substituters', substituters.join(' ')],
    ['extra-trusted-public-keys', trustedKeys.join(' ')],
    ['netrc-file', netrcFile],
    ['builders', builders],
    // Builders download from the caches themselves what this machine would have to send them.
    ['builders-use-substitutes', builders && 'true'],
  ]
  return new Map(settings.filter((it): it is [string, string] => Boolean(it[1])))
}
