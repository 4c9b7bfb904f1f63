import type { BuildOutcome } from './build-outcome.ts'
import type { BuildTarget, ImageBuilder } from './image-builder.ts'
import type { Clock } from './ports/clock.ts'

type Failed = Extract<BuildOutcome, { readonly kind: 'failed' }>

/**
 * Docker asks for an image by HEAD and then by GET, and what failed to build is asked for again by
 * everybody who reads that. Longer would make people wait who have mended something meanwhile.
 */
export const failureLifeMs = 30_000

/** A few hundred bytes each. */
const mostFailures = 1000

/**
 * Answers with the failure of a build for a while, its build id included. A source that is not fixed
 * may hold something else by now, so what it gives is built anew each time.
 */
export function rememberFailures(inner: ImageBuilder, clock: Clock): ImageBuilder {
  const failures = new Map<string, Failed>()

  function remember({ key }: BuildTarget, failed: Failed): void {
    failures.delete(key)
    failures.set(key, failed)
    clock.after(failureLifeMs, () => {
      if (failures.get(key) === failed) failures.delete(key)
    })
    const [oldest] = failures.keys()
    if (failures.size > mostFailures && oldest !== undefined) failures.delete(oldest)
  }

  return {
    async build(target, signal, onBuild) {
      const remembered = failures.get(target.key)
      if (remembered !== undefined) {
        onBuild?.(remembered.buildId)
        return remembered
      }
      const outcome = await inner.build(target, signal, onBuild)
      if (outcome.kind === 'failed' && target.source.fixed) remember(target, outcome)
      return outcome
    },
  }
}
