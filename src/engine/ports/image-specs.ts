import type { RequestedOptions } from '#core/request/requested-options.ts'

/** An image that an operator described under a name of its own. */
export interface ImageSpec {
  /** Components as a name has them: meta-packages, then packages; these may be spelled as attributes are. */
  readonly packages: readonly string[]
  /** Name of the configured package source; empty for the usual one. */
  readonly source: string
  /** What `latest` stands for. */
  readonly tag?: string
  readonly options: RequestedOptions
}

/** Stored specs by repository name. A spec that cannot be read is an `OperatingError` `SPEC_INVALID`. */
export interface ImageSpecs {
  /** There are none, and there will be none. */
  readonly isEmpty?: true
  find(name: string): Promise<ImageSpec | undefined>
}
