import { createRandom } from './random.ts'
import type { Package } from './read-closures.ts'

/** What is asked for and what changes, in order; packages are named by their position. */
export type WorkloadStep =
  | { readonly kind: 'request'; readonly packages: readonly number[] }
  | { readonly kind: 'update'; readonly packages: readonly number[]; readonly seed: number }

const requests = 2_000
const requestsPerUpdate = 100
/** Of all packages, by one update; what refers to them changes with them. */
const updatedPart = 0.01
/** Of one image, one to so many by choice. */
const mostPackages = 4
const shellPart = 0.25

const shellPackages = /^(?:bash|coreutils|moreutils|nano)-\d/
/** Every image has them, see `src/engine/build-image.ts`; netbase is Debian's iana-etc. */
const basePackages = /^(?:cacert|netbase)-\d/

/** Equal seeds give equal workloads. What is not `asked` for only comes along with others. */
export function makeWorkload(
  packages: readonly Package[],
  asked: ReadonlySet<number>,
  seed: number,
): readonly WorkloadStep[] {
  const random = createRandom(seed)
  const choose = zipfByReferrers(packages, asked)
  const shell = findAll(packages, shellPackages)
  const base = findAll(packages, basePackages)
  const steps: WorkloadStep[] = []
  for (let request = 0; request < requests; request += 1) {
    if (request > 0 && request % requestsPerUpdate === 0) {
      const updated = packages.flatMap((_, index) => (random() < updatedPart ? [index] : []))
      steps.push({ kind: 'update', packages: updated, seed: seed + request })
    }
    const chosen = new Set(random() < shellPart ? [...base, ...shell] : base)
    const wanted = 1 + Math.floor(random() * mostPackages)
    for (let count = 0; count < wanted; count += 1) chosen.add(choose(random()))
    steps.push({ kind: 'request', packages: [...chosen].toSorted((a, b) => a - b) })
  }
  return steps
}

/** The package that the n-th most others refer to is chosen in proportion to 1/n. */
function zipfByReferrers(
  packages: readonly Package[],
  asked: ReadonlySet<number>,
): (random: number) => number {
  const referrers = packages.map(() => 0)
  for (const { references } of packages) for (const it of references) referrers[it]! += 1
  const ranked = [...asked].toSorted(
    (one, other) => referrers[other]! - referrers[one]! || one - other,
  )
  let sum = 0
  const sums = ranked.map((_, rank) => (sum += 1 / (rank + 1)))
  return (random) => ranked[sums.findIndex((upTo) => random * sum < upTo)]!
}

function findAll(packages: readonly Package[], pattern: RegExp): readonly number[] {
  return [...packages.keys()].filter((index) => pattern.test(packages[index]!.name))
}
