import { openNix } from '#adapters/nix/nix.ts'
import { PackageSetQuery } from '#adapters/nix/package-set-query.ts'
import { WarmEvaluators } from '#adapters/nix/warm-evaluators.ts'
import { strictPolicy } from '#core/request/package-policy.ts'
import type { PackageSet } from '#engine/ports/package-source.ts'
import { buildFigures } from '../measured-build.ts'
import { readTreeSeconds } from '../process-usage.ts'
import type { Contender, Contenders, Scenario } from '../scenario.ts'
import { bundledSet } from './bundled-set.ts'
import { nameOf, prepareLargeSet } from './prepare-large-set.ts'

const limits = { evaluationTimeoutMs: 300_000, evaluationMemoryMiB: 4096 }
const system = process.arch === 'arm64' ? 'aarch64-linux' : 'x86_64-linux'

/** Names of the bundled set that nobody has asked for before: each round takes the next one. */
const bundledNames =
  'jq tree less rsync sqlite3 zip bc file wget socat lsof strace patch xxd tmux'.split(' ')

const referenceIs = 'nix-instantiate, a process for each question'

/** From a package's name to its derivation, which is instantiated: the first of a set, and one more. */
export const evaluation: Scenario = {
  name: 'evaluation',
  comparisons: ['bundled', 'large'].flatMap((set) =>
    ['first', 'later'].map((question) => ({
      name: `evaluation-${set}-${question}`,
      product: `${set}-${question}`,
      reference: `${set}-process`,
      referenceIs,
    })),
  ),
  commands: ['nix', 'nix-instantiate'],
  minRounds: 3,
  async prepare(workbench, stack) {
    const sets = {
      bundled: await bundledSet(),
      large: await prepareLargeSet(workbench.newPath('large-set')),
    }
    const nix = await openNix({ inheritedEnvironment: process.env })
    const directory = workbench.newPath('evaluators')
    const open = () => stack.adopt(new WarmEvaluators(nix, directory), (it) => it.close())
    const ask = async (set: PackageSet, name: string, warm?: WarmEvaluators) => {
      const view = { set, policy: strictPolicy, system } as const
      const { signal } = new AbortController()
      const secondsBefore = await readTreeSeconds(process.pid)
      const startedAtMs = performance.now()
      const query = new PackageSetQuery(nix, limits, view, signal, warm)
      const answer = await query.lookUp([name], { catch: true })
      const seconds = (performance.now() - startedAtMs) / 1000
      const found = answer.kind === 'results' && answer.results[0]?.kind === 'found'
      if (!found) throw new Error(`${name} of ${set.entry} gives ${JSON.stringify(answer)}`)
      return buildFigures(seconds, (await readTreeSeconds(process.pid)) - secondsBefore)
    }
    const contenders = (
      kind: string,
      set: PackageSet,
      nameAt: (question: number) => string,
    ): Contenders => {
      let asked = 0
      const next = () => nameAt((asked += 1))
      const kept = open()
      const later: Contender = async () => {
        // The evaluator has the set; in the first round somebody has to have asked before.
        if (asked < 3) await ask(set, next(), kept)
        return ask(set, next(), kept)
      }
      const first: Contender = async () => {
        const fresh = open()
        const figures = await ask(set, next(), fresh)
        await fresh.close()
        return figures
      }
      const alone = () => ask(set, next())
      return { [`${kind}-process`]: alone, [`${kind}-first`]: first, [`${kind}-later`]: later }
    }
    return {
      ...contenders(
        'bundled',
        sets.bundled,
        (question) => bundledNames[question % bundledNames.length]!,
      ),
      ...contenders('large', sets.large, nameOf),
    }
  },
}
