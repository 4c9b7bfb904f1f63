import { readOptions } from './read-options.ts'

export const verifyUsage = `usage: nixery verify [--repair] [--json]

Reads everything in the storage that the configuration names: the bytes of each blob, each entry,
and everything that manifests refer to. May run beside instances that serve from the storage.
Exits with 0 when all is sound, with 1 when something is wrong.

  --repair    move damaged blobs into quarantine, and remove entries and manifests that lead to
              nothing; the next pull makes them again. Without it nothing is changed.
  --json      print the report as JSON
`

export type VerifyArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'verify'; readonly repair: boolean; readonly json: boolean }
  | { readonly kind: 'wrong'; readonly message: string }

const options = {
  repair: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** Reads what follows `nixery verify`. */
export function parseVerifyArguments(args: readonly string[]): VerifyArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { repair, json, help } = read.values
  if (help) return { kind: 'help' }
  const [other] = read.others
  return other === undefined
    ? { kind: 'verify', repair, json }
    : { kind: 'wrong', message: `${other} is too much: verify takes options only` }
}
