import type { Figure } from './figure.ts'
import type { ComparisonPlan, Contenders, Scenario } from './scenario.ts'
import type { Workbench } from './workbench.ts'

/** One figure over all rounds. */
export interface Comparison {
  readonly scenario: string
  readonly figure: string
  readonly unit: Figure['unit']
  readonly reference: string
  readonly product: Spread
  readonly compared: Spread
  /** The product's value divided by the reference's, round by round. */
  readonly ratio: Spread
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly samples: readonly number[]
}

/** What each contender gave in one round, by its name. */
type Round = ReadonlyMap<string, readonly Figure[]>

// A median that one disturbance cannot move; more rounds cost more patience than they bring.
const maxRounds = 5

// On a slow or busy machine fewer rounds are run, so that all scenarios end within twelve minutes.
const budgetMs = 45_000

/**
 * The contenders of `plans` take turns, and every round another one begins: whatever else the machine
 * does meanwhile hits all. That is why the ratio is taken within each round.
 */
export async function runScenario(
  scenario: Scenario,
  plans: readonly ComparisonPlan[],
  workbench: Workbench,
): Promise<readonly Comparison[]> {
  await using stack = new AsyncDisposableStack()
  const contenders = await scenario.prepare(workbench, stack)
  const wanted = new Set(plans.flatMap(({ product, reference }) => [product, reference]))
  const names = Object.keys(contenders).filter((name) => wanted.has(name))
  const { minRounds = 1, keepsOrder = false } = scenario
  const rounds: Round[] = []
  const startedAtMs = performance.now()
  while (
    rounds.length < minRounds ||
    (rounds.length < maxRounds && performance.now() - startedAtMs < budgetMs)
  ) {
    const first = keepsOrder ? 0 : rounds.length % names.length
    rounds.push(await runRound(contenders, [...names.slice(first), ...names.slice(0, first)]))
  }
  return plans.flatMap((plan) => compareRounds(plan, rounds))
}

async function runRound(contenders: Contenders, names: readonly string[]): Promise<Round> {
  const round = new Map<string, readonly Figure[]>()
  for (const name of names) round.set(name, await contenders[name]!())
  return round
}

function compareRounds(plan: ComparisonPlan, rounds: readonly Round[]): readonly Comparison[] {
  const ofBoth = rounds[0]!
    .get(plan.product)!
    .filter(({ name }) => valueOf(rounds[0]!, plan.reference, name) !== undefined)
  return ofBoth.map(({ name, unit }) => {
    const product = rounds.map((round) => valueOf(round, plan.product, name)!)
    const compared = rounds.map((round) => valueOf(round, plan.reference, name)!)
    return {
      scenario: plan.name,
      figure: name,
      unit,
      reference: plan.referenceIs,
      product: spreadOf(product),
      compared: spreadOf(compared),
      ratio: spreadOf(product.map((value, round) => value / compared[round]!)),
    }
  })
}

function valueOf(round: Round, contender: string, figure: string): number | undefined {
  return round.get(contender)?.find(({ name }) => name === figure)?.value
}

function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((one, other) => one - other)
  const middle = (sorted.length - 1) / 2
  return {
    median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    samples,
  }
}
