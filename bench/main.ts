import { skipUnless } from '#test/clients/availability.ts'
import { evaluation } from './evaluation/evaluation.ts'
import { measureLayering } from './layering/measure-layering.ts'
import { describeMachine } from './machine.ts'
import { formatTable, resultsPath, writeResults } from './report.ts'
import { runScenario } from './run-scenario.ts'
import type { Comparison } from './run-scenario.ts'
import type { ComparisonPlan, Scenario } from './scenario.ts'
import { addedPackage } from './scenarios/added-package.ts'
import { addedPackage500 } from './scenarios/added-package-500.ts'
import { besideBuild } from './scenarios/beside-build.ts'
import { bigImage } from './scenarios/big-image.ts'
import { blob200 } from './scenarios/blob-200.ts'
import { blobGet } from './scenarios/blob-get.ts'
import { coldBuild } from './scenarios/cold-build.ts'
import { cores } from './scenarios/cores.ts'
import { manifestGet } from './scenarios/manifest-get.ts'
import { manyPulls } from './scenarios/many-pulls.ts'
import { packing } from './scenarios/packing.ts'
import { peakMemory } from './scenarios/peak-memory.ts'
import { startUp } from './scenarios/start-up.ts'
import { warmRebuild } from './scenarios/warm-rebuild.ts'
import { prepareWorkbench, type Workbench } from './workbench.ts'

const scenarios: readonly Scenario[] = [
  packing,
  evaluation,
  coldBuild,
  warmRebuild,
  addedPackage,
  addedPackage500,
  manifestGet,
  blobGet,
  blob200,
  besideBuild,
  startUp,
  peakMemory,
  cores,
  bigImage,
  manyPulls,
]

interface ChosenScenario {
  readonly scenario: Scenario
  readonly plans: readonly ComparisonPlan[]
}

/** Computed and not raced, so it is no scenario. */
const layering = 'layering'

/** All scenarios, or those that are named, such as `npm run bench -- cold-pack start-up`. */
async function runBenchmark(names: readonly string[]): Promise<void> {
  const raced = names.filter((name) => name !== layering)
  if (names.length === 0 || raced.length < names.length) await measureLayering()
  if (names.length === 0 || raced.length > 0) await runScenarios(raced)
}

async function runScenarios(names: readonly string[]): Promise<void> {
  const chosen = chooseScenarios(names)
  const startedAt = new Date().toISOString()
  const machine = await describeMachine()

  await using stack = new AsyncDisposableStack()
  console.error('bench: building the image once, which also fills the Nix store')
  const workbench = await prepareWorkbench(stack)
  const comparisons: Comparison[] = []
  for (const { scenario, plans } of chosen) {
    const startedAtMs = performance.now()
    comparisons.push(...(await runOrReport(scenario, plans, workbench)))
    const seconds = Math.round((performance.now() - startedAtMs) / 1000)
    console.error(`bench: ${scenario.name} (${seconds} s)`)
    // What was measured is kept, whatever happens to the scenarios that follow.
    await writeResults({ startedAt, machine, images: workbench.images, comparisons })
  }

  if (comparisons.length > 0) console.log(formatTable(comparisons))
  console.error(`bench: all rounds, and what the machine is, are in ${resultsPath}`)
}

/** A scenario that fails says why and costs its own figures only. */
async function runOrReport(
  scenario: Scenario,
  plans: readonly ComparisonPlan[],
  workbench: Workbench,
): Promise<readonly Comparison[]> {
  try {
    return await runScenario(scenario, plans, workbench)
  } catch (error) {
    console.error(`bench: ${scenario.name} fails:`, error)
    process.exitCode = 1
    return []
  }
}

function chooseScenarios(names: readonly string[]): readonly ChosenScenario[] {
  const known = scenarios.flatMap(({ name, comparisons }) => [
    name,
    ...comparisons.map((plan) => plan.name),
  ])
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const all = [layering, ...new Set(known)].join(', ')
    throw new Error(`no scenario is called ${unknown}; there are ${all}`)
  }
  return scenarios.flatMap((scenario) => {
    const plans = choosePlans(scenario, names)
    if (plans.length === 0) return []
    const obstacle = skipUnless(scenario.commands)
    if (obstacle === false) return [{ scenario, plans }]
    console.error(`bench: ${scenario.name} is left out: ${obstacle}`)
    return []
  })
}

function choosePlans(scenario: Scenario, names: readonly string[]): readonly ComparisonPlan[] {
  const { name, comparisons, onDemand = false } = scenario
  if (names.length === 0 ? !onDemand : names.includes(name)) return comparisons
  return comparisons.filter((plan) => names.includes(plan.name))
}

await runBenchmark(process.argv.slice(2))
