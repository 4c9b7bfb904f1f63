import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { drawCurves } from './draw-curves.ts'
import {
  lowerBound,
  original,
  originalWithPopularity,
  ours,
  perPath,
  popularityContest,
  upperBound,
} from './planners.ts'
import { readClosures, type Package } from './read-closures.ts'
import { replay, type Planner, type Pulled } from './replay.ts'
import { makeWorkload } from './workload.ts'

const outputPath = join(import.meta.dirname, '..', 'out', 'layering.json')
const plotDirectory = join(import.meta.dirname, '..', '..', 'docs', 'layering')

const clientCounts: readonly number[] = [5, 50, 400]
const planners: readonly Planner[] = [
  upperBound,
  original,
  originalWithPopularity,
  popularityContest,
  perPath,
  ours,
  lowerBound,
]

interface Workload {
  readonly name: string
  readonly seed: number
  isAsked(it: Package, index: number): boolean
}

interface Measured {
  readonly workload: string
  readonly pulled: readonly Pulled[]
}

/**
 * Replays the workloads that docs/layering.md describes and prints its tables. All of it is computed,
 * so every run gives the same figures and plots, on any machine.
 */
export async function measureLayering(): Promise<void> {
  const packages = readClosures()
  const measured = listWorkloads(packages).map((workload): Measured => {
    console.error(`bench: layering, ${workload.name}`)
    const asked = new Set(packages.keys().filter((it) => workload.isAsked(packages[it]!, it)))
    const steps = makeWorkload(packages, asked, workload.seed)
    const pulled = planners.flatMap((planner) => replay(packages, steps, planner, clientCounts))
    return { workload: workload.name, pulled }
  })
  await writePlots(measured[0]!)
  await mkdir(join(outputPath, '..'), { recursive: true })
  await writeFile(outputPath, `${JSON.stringify(measured)}\n`)
  for (const each of measured) console.log(`${formatMeasured(each)}\n`)
  console.error(`bench: all curves are in ${outputPath}`)
}

/** The first is the one that counts. With the second seed and the held-out half, nothing was chosen. */
function listWorkloads(packages: readonly Package[]): readonly Workload[] {
  const referenced = new Set(packages.flatMap(({ references }) => references))
  return [
    { name: 'all packages', seed: 1, isAsked: () => true },
    { name: 'second seed', seed: 20_261_121, isAsked: () => true },
    { name: 'held-out half', seed: 2, isAsked: (it) => isHeldOut(it) },
    { name: 'only what nothing needs', seed: 3, isAsked: (_, index) => !referenced.has(index) },
  ]
}

/** Every other package, by its name. */
function isHeldOut({ name }: Package): boolean {
  return Buffer.from(name).reduce((sum, byte) => sum + byte, 0) % 2 === 0
}

async function writePlots({ pulled }: Measured): Promise<void> {
  await mkdir(plotDirectory, { recursive: true })
  for (const clients of clientCounts) {
    const shown = select(pulled, 'blob', clients)
    const plot = drawCurves({
      title: `${clients} clients: what 2,000 requests cost`,
      requests: 2_000,
      curves: shown.map(({ planner, curve }) => ({ name: planner, bytes: curve })),
    })
    await writeFile(join(plotDirectory, `clients-${clients}.svg`), plot)
  }
}

function select(
  pulled: readonly Pulled[],
  kind: Pulled['clientKind'],
  clients: number,
): readonly Pulled[] {
  return pulled.filter((it) => it.clientKind === kind && it.clients === clients)
}

/** Cost in GB, the gap that is closed, blobs; and the cost with Docker's clients. */
function formatMeasured({ workload, pulled }: Measured): string {
  const counts = clientCounts.map((clients) => `${clients} clients`)
  const header = [workload, ...counts, ...counts.map((count) => `Docker, ${count}`)]
  const rows = planners.map(({ name }) => [
    name,
    ...clientCounts.map((clients) => formatCost(select(pulled, 'blob', clients), name)),
    ...clientCounts.map((clients) => {
      const found = select(pulled, 'chain', clients).find(({ planner }) => planner === name)!
      return `${formatGigabytes(found.costBytes)} GB`
    }),
  ])
  return [header, header.map(() => '---'), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n')
}

function formatCost(pulled: readonly Pulled[], name: string): string {
  const find = (planner: string) => pulled.find((it) => it.planner === planner)!
  const { costBytes, blobs } = find(name)
  const from = find(original.name).costBytes
  const closed = (from - costBytes) / (from - find(lowerBound.name).costBytes)
  return `${formatGigabytes(costBytes)} GB, ${(closed * 100).toFixed(1)} %, ${blobs} blobs`
}

function formatGigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1)
}
