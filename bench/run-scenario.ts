import type { Figure } from './figure.ts'
import type { Contender, Contenders, Scenario } from './scenario.ts'
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

interface Round {
  readonly product: readonly Figure[]
  readonly reference: readonly Figure[]
}

// A median that one disturbance cannot move; more rounds cost more patience than they bring.
const maxRounds = 5

// On a slow or busy machine fewer rounds are run, so that all scenarios end within ten minutes.
const budgetMs = 70_000

/**
 * Product and reference take turns, and every other round the other one begins: whatever else the
 * machine does meanwhile hits both. That is why the ratio is taken within each round.
 */
export async function runScenario(
  scenario: Scenario,
  workbench: Workbench,
): Promise<readonly Comparison[]> {
  await using stack = new AsyncDisposableStack()
  const contenders = await scenario.prepare(workbench, stack)
  const rounds: Round[] = []
  const startedAtMs = performance.now()
  while (rounds.length < maxRounds && performance.now() - startedAtMs < budgetMs) {
    rounds.push(await runRound(contenders, rounds.length % 2 === 0))
  }
  return compareRounds(scenario, rounds)
}

async function runRound(contenders: Contenders, productFirst: boolean): Promise<Round> {
  const inTurn = async (first: Contender, second: Contender) =>
    [await first(), await second()] as const
  if (productFirst) {
    const [product, reference] = await inTurn(contenders.product, contenders.reference)
    return { product, reference }
  }
  const [reference, product] = await inTurn(contenders.reference, contenders.product)
  return { product, reference }
}

function compareRounds(scenario: Scenario, rounds: readonly Round[]): readonly Comparison[] {
  const figures = rounds[0]?.product ?? []
  return figures.map(({ name, unit }, index) => {
    const product = rounds.map((round) => round.product[index]!.value)
    const compared = rounds.map((round) => round.reference[index]!.value)
    return {
      scenario: scenario.name,
      figure: name,
      unit,
      reference: scenario.reference,
      product: spreadOf(product),
      compared: spreadOf(compared),
      ratio: spreadOf(product.map((value, round) => value / compared[round]!)),
    }
  })
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
