import type { Figure } from './figure.ts'
import type { Workbench } from './workbench.ts'

/** The product and something well known, doing comparable work on this machine. */
export interface Scenario {
  /** Names it on the command line too. */
  readonly name: string
  /** What is compared with what; a comparison may be named on the command line as well. */
  readonly comparisons: readonly ComparisonPlan[]
  /** Commands without which it cannot run. */
  readonly commands: readonly string[]
  /** Runs only when it is named: it takes minutes for every round. */
  readonly onDemand?: boolean
  /** The least number of rounds that are run, whatever they take; one unless given. */
  readonly minRounds?: number
  /** The contenders take their turns in one order, because one goes on where the other ends. */
  readonly keepsOrder?: boolean
  /** Gets everything ready that is not measured; what it puts on the stack goes with the scenario. */
  prepare(workbench: Workbench, stack: AsyncDisposableStack): Promise<Contenders>
}

/** Two contenders by their names; compared are the figures that both give. */
export interface ComparisonPlan {
  readonly name: string
  readonly product: string
  readonly reference: string
  /** What the reference is, in a few words. */
  readonly referenceIs: string
}

/** Who does the work, by name, in the order of their first round. */
export type Contenders = Readonly<Record<string, Contender>>

/** Does the work once; gives the same figures every time. */
export type Contender = () => Promise<readonly Figure[]>

/** The product beside one reference: what most scenarios are. */
export function besideReference(name: string, referenceIs: string): readonly ComparisonPlan[] {
  return [{ name, product: 'product', reference: 'reference', referenceIs }]
}
