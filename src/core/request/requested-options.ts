/**
 * How containers of an image start, as far as somebody asked for it (image-spec, config.md). What
 * is left out is what the packages alone lead to; an empty list means none.
 */
export interface RequestedOptions {
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  /** Name to value; they replace the image's own of the same name. */
  readonly env?: Readonly<Record<string, string>>
  /** `1000`, `1000:1000`, `nobody`. */
  readonly user?: string
  readonly workingDir?: string
  readonly labels?: Readonly<Record<string, string>>
  /** `8080/tcp`, sorted. */
  readonly exposedPorts?: readonly string[]
}
