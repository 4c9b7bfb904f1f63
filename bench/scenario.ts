import type { Figure } from './figure.ts'
import type { Workbench } from './workbench.ts'

/** The product and something well known, doing comparable work on this machine. */
export interface Scenario {
  /** Names it on the command line too. */
  readonly name: string
  /** What the reference is, in a few words. */
  readonly reference: string
  /** Commands without which it cannot run. */
  readonly commands: readonly string[]
  /** Gets everything ready that is not measured; what it puts on the stack goes with the scenario. */
  prepare(workbench: Workbench, stack: AsyncDisposableStack): Promise<Contenders>
}

export interface Contenders {
  readonly product: Contender
  readonly reference: Contender
}

/** Does the work once; gives the same figures, in the same order, every time. */
export type Contender = () => Promise<readonly Figure[]>
