import type { BuildProgress } from '#core/api/build-progress.ts'

/** A step of a build as people see it. */
export interface ShownStep {
  readonly title: string
  readonly state: 'ahead' | 'current' | 'done' | 'failed'
}

const steps = ['queued', 'evaluating', 'realising', 'packing'] as const

const titles: Record<(typeof steps)[number], string> = {
  queued: 'Wait for its turn',
  evaluating: 'Look up the packages',
  realising: 'Download and build them',
  packing: 'Pack the layers',
}

/** The steps of a build and where it is among them. */
export function buildSteps({ status, step }: BuildProgress): readonly ShownStep[] {
  const current = status === 'finished' ? steps.length : steps.indexOf(step ?? 'queued')
  const stopped = status === 'failed' || status === 'aborted'
  return steps.map((name, index) => ({
    title: titles[name],
    state: index < current ? 'done' : index > current ? 'ahead' : stopped ? 'failed' : 'current',
  }))
}

/** The build in one sentence, for somebody who hears the page. */
export function describeState(progress: BuildProgress): string {
  const { status } = progress
  if (status === 'finished') return 'The build has finished.'
  if (status === 'failed') return 'The build has failed.'
  if (status === 'aborted') return 'The build has ended early.'
  const current = buildSteps(progress).find(({ state }) => state === 'current')
  return `Now: ${current?.title ?? ''}.`
}
