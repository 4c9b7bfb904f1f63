import { helpOption, usualExitCodes, type CommandSyntax } from './command-syntax.ts'
import { readOptions } from './read-options.ts'

const options = {
  json: { type: 'boolean', default: false, about: 'print the findings as JSON' },
  ...helpOption,
} as const

export const doctorSyntax: CommandSyntax = {
  name: 'doctor',
  summary: 'looks whether all that the service needs is there, and says how to mend what is not',
  synopsis: ['[--json]'],
  about: [
    'Looks at the programs of the machine, Nix and its store, disk space, storage, package sources, binary caches, clock, port and settings: those of the environment, as the service would have them. Changes nothing: a probe file that it writes into a directory is removed at once, and what it has Nix build, a path of some bytes, goes with the next collection of garbage.',
  ],
  options,
  notes: [
    'Each finding is ok, warn (the service works, and something about it may surprise) or fail (it does not work).',
  ],
  exitCodes: {
    ...usualExitCodes,
    0: 'nothing fails; there may be warnings',
    1: 'something fails, or the command cannot do its work',
  },
}

export type DoctorArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'doctor'; readonly json: boolean }
  | { readonly kind: 'wrong'; readonly message: string }

/** Reads what follows `nixery doctor`. */
export function parseDoctorArguments(args: readonly string[]): DoctorArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  if (read.values.help) return { kind: 'help' }
  const [other] = read.others
  return other === undefined
    ? { kind: 'doctor', json: read.values.json }
    : { kind: 'wrong', message: `${other} is too much: doctor takes options only` }
}
