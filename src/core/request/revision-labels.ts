import type { RequestedOptions } from './requested-options.ts'

/**
 * Options with labels that say where an image comes from (image-spec, annotations.md). Whoever
 * asked for a label of the same name keeps it.
 */
export function labelRevision(
  options: RequestedOptions,
  source: { readonly revision: string; readonly origin?: string },
): RequestedOptions {
  return {
    ...options,
    labels: {
      'org.opencontainers.image.revision': source.revision,
      ...(source.origin === undefined ? {} : { 'org.opencontainers.image.source': source.origin }),
      ...options.labels,
    },
  }
}
