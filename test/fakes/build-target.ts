import { platformOf } from '#core/nix/system.ts'
import { cacheKeyOf } from '#core/request/cache-key.ts'
import type { BuildOutcome } from '#engine/build-outcome.ts'
import type { BuildTarget, ImageBuilder } from '#engine/image-builder.ts'

/** A target for one package, keyed by it. */
export function buildTarget(name: string): BuildTarget {
  return {
    key: cacheKeyOf(name),
    name,
    pulled: { name, tag: 'latest' },
    request: { platform: platformOf('amd64'), shell: false, packages: [name], options: {} },
    source: { source: '', revision: 'fake', identity: 'fake', fixed: true },
    popularity: { kind: 'closure' },
  }
}

export const failedOutcome: BuildOutcome = {
  kind: 'failed',
  buildId: 'b1',
  failure: { kind: 'deadline-passed', deadlineMs: 1 },
}

interface StartedBuild {
  readonly target: BuildTarget
  readonly signal: AbortSignal
  finish(outcome: BuildOutcome): void
}

interface HeldBuilder {
  readonly builder: ImageBuilder
  readonly started: StartedBuild[]
}

/** A builder whose builds end when the test says so, or when they are aborted. */
export function createHeldBuilder(): HeldBuilder {
  const started: StartedBuild[] = []
  const builder: ImageBuilder = {
    build: (target, signal, onBuild) =>
      new Promise((resolve, reject) => {
        onBuild?.('b1')
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        started.push({ target, signal, finish: resolve })
      }),
  }
  return { builder, started }
}

/** A builder whose builds end when the test says so: Nix needs a while to end after an abort. */
export function createSlowlyEndingBuilder(): HeldBuilder {
  const started: StartedBuild[] = []
  const builder: ImageBuilder = {
    build: (target, signal) =>
      new Promise((resolve) => {
        started.push({ target, signal, finish: resolve })
      }),
  }
  return { builder, started }
}
