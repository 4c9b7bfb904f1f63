import { helpOption, usualExitCodes, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

export type VerifyArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'verify'; readonly repair: boolean; readonly json: boolean }
  | Slip

const options = {
  repair: {
    type: 'boolean',
    default: false,
    about:
      'move damaged blobs into quarantine, and remove entries and manifests that lead to nothing; the next pull makes them again. Without it nothing is changed.',
  },
  json: { type: 'boolean', default: false, about: 'print the report as JSON' },
  ...helpOption,
} as const

export const verifySyntax: CommandSyntax = {
  name: 'verify',
  summary: 'reads everything that is stored and says what is wrong',
  synopsis: ['[--repair] [--json]'],
  about: [
    'Reads everything in the storage that the configuration names: the bytes of each blob, each entry, and everything that manifests refer to. May run beside instances that serve from the storage. See docs/storage.md.',
  ],
  options,
  exitCodes: {
    ...usualExitCodes,
    0: 'all is sound',
    1: 'something is wrong, also when it was repaired, or the command cannot do its work',
  },
}

/** Reads what follows `nixery verify`. */
export function parseVerifyArguments(args: readonly string[]): VerifyArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { repair, json, help } = read.values
  if (help) return { kind: 'help' }
  const [other] = read.others
  return other === undefined
    ? { kind: 'verify', repair, json }
    : wrong(`${other} is too much: verify takes options only`)
}
