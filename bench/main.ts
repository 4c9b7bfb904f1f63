import { skipUnless } from '#test/clients/availability.ts'
import { describeMachine } from './machine.ts'
import { formatTable, writeResults } from './report.ts'
import { runScenario } from './run-scenario.ts'
import type { Comparison } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'
import { addedPackage } from './scenarios/added-package.ts'
import { blobGet } from './scenarios/blob-get.ts'
import { coldBuild } from './scenarios/cold-build.ts'
import { manifestGet } from './scenarios/manifest-get.ts'
import { peakMemory } from './scenarios/peak-memory.ts'
import { warmRebuild } from './scenarios/warm-rebuild.ts'
import { describeImage, prepareWorkbench } from './workbench.ts'

const scenarios: readonly Scenario[] = [
  coldBuild,
  warmRebuild,
  addedPackage,
  manifestGet,
  blobGet,
  peakMemory,
]

/** All scenarios, or those that are named, such as `npm run bench -- cold-build`. */
async function runBenchmark(names: readonly string[]): Promise<void> {
  const chosen = chooseScenarios(names)
  const startedAt = new Date().toISOString()
  const machine = await describeMachine()

  await using stack = new AsyncDisposableStack()
  console.error('bench: building the image once, which also fills the Nix store')
  const workbench = await prepareWorkbench(stack)
  const comparisons: Comparison[] = []
  for (const scenario of chosen) {
    console.error(`bench: ${scenario.name}`)
    comparisons.push(...(await runScenario(scenario, workbench)))
  }

  const image = describeImage(workbench)
  const path = await writeResults({ startedAt, machine, image, comparisons })
  console.log(formatTable(comparisons))
  console.error(`bench: all rounds, and what the machine is, are in ${path}`)
}

function chooseScenarios(names: readonly string[]): readonly Scenario[] {
  const unknown = names.find((name) => scenarios.every((scenario) => scenario.name !== name))
  if (unknown !== undefined) {
    const known = scenarios.map(({ name }) => name).join(', ')
    throw new Error(`no scenario is called ${unknown}; there are ${known}`)
  }
  return scenarios.filter((scenario) => {
    if (names.length > 0 && !names.includes(scenario.name)) return false
    const obstacle = skipUnless(scenario.commands)
    if (obstacle !== false) console.error(`bench: ${scenario.name} is left out: ${obstacle}`)
    return obstacle === false
  })
}

await runBenchmark(process.argv.slice(2))
