import { usualGraceMs } from '#core/retention/retention-policy.ts'
import { allowedByteSizes, parseByteSize } from './byte-size.ts'
import { allowedDurations, parseDuration } from './duration.ts'
import { helpOption, usualExitCodes, type CommandSyntax } from './command-syntax.ts'
import { readOptions, wrong, type Slip } from './read-options.ts'

/** Limits that a command line sets; what it leaves out the configuration may set. */
export interface GivenLimits {
  readonly unusedMs?: number
  readonly ageMs?: number
  readonly mostBytes?: number
  readonly nixStoreBytes?: number
}

export type GcArguments =
  | { readonly kind: 'help' }
  | {
      readonly kind: 'gc'
      readonly limits: GivenLimits
      readonly graceMs: number
      readonly dryRun: boolean
      readonly json: boolean
    }
  | Slip

// Instances repeat a claim on what they serve every ten minutes, and clients download what they were
// told of meanwhile.
const leastGraceMs = 30 * 60 * 1000

const options = {
  unused: {
    type: 'string',
    value: 'DURATION',
    about: 'images that nobody has pulled for longer (NIXERY_GC_UNUSED_DAYS)',
  },
  'older-than': {
    type: 'string',
    value: 'DURATION',
    about: 'images made longer ago, used or not (NIXERY_GC_AGE_DAYS)',
  },
  'max-size': {
    type: 'string',
    value: 'SIZE',
    about:
      'then the least recently used images, until all is at most this size (NIXERY_GC_MAX_GIB)',
  },
  'nix-store': {
    type: 'string',
    value: 'SIZE',
    about:
      'packages in the Nix store of this machine that nothing holds, until the store is at most this size (NIXERY_GC_NIX_STORE_GIB)',
  },
  grace: {
    type: 'string',
    value: 'DURATION',
    about:
      'nothing that was used or written within this time goes (1h); at least 30m, for pulls in progress',
  },
  offline: {
    type: 'boolean',
    default: false,
    about: 'no instance runs on this storage: the grace may be shorter',
  },
  'dry-run': { type: 'boolean', default: false, about: 'say what would go, and remove nothing' },
  json: { type: 'boolean', default: false, about: 'print the report as JSON' },
  ...helpOption,
} as const

export const gcSyntax: CommandSyntax = {
  name: 'gc',
  summary: 'removes images that nobody needs from the storage',
  synopsis: ['[--dry-run] [options]'],
  about: [
    'Removes images from the storage that the configuration names, and everything that no image needs. A removed image is made again when somebody pulls it. May run beside instances that serve from the storage. Limits that are not given are those of the configuration; without any, only what no image needs goes.',
  ],
  options,
  notes: [
    'A DURATION is a number with s, m, h, d or w: 12h, 30d. A SIZE has KiB, MiB, GiB or TiB: 500MiB, 50GiB. See docs/storage.md.',
  ],
  exitCodes: {
    ...usualExitCodes,
    1: 'another collector is at work, or the command cannot do its work',
  },
}

const limitOptions = [
  ['unused', 'unusedMs', parseDuration, allowedDurations],
  ['older-than', 'ageMs', parseDuration, allowedDurations],
  ['max-size', 'mostBytes', parseByteSize, allowedByteSizes],
  ['nix-store', 'nixStoreBytes', parseByteSize, allowedByteSizes],
] as const

/** Reads what follows `nixery gc`. */
export function parseGcArguments(args: readonly string[]): GcArguments {
  const read = readOptions(args, options)
  if (read.kind === 'wrong') return read
  const { values, others } = read
  if (values.help) return { kind: 'help' }
  if (others.length > 0) return wrong(`${others[0]} is too much: gc takes options only`)
  const limits: Partial<Record<keyof GivenLimits, number>> = {}
  for (const [option, limit, parse, allowed] of limitOptions) {
    const text = values[option]
    if (text === undefined) continue
    const amount = parse(text)
    // A limit of nothing at all is a slip of the hand, not a wish to lose every image.
    if (amount === undefined || amount === 0) return wrong(`--${option} ${text} must be ${allowed}`)
    limits[limit] = amount
  }
  const { grace, offline, 'dry-run': dryRun, json } = values
  const graceMs = grace === undefined ? usualGraceMs : parseDuration(grace)
  if (graceMs === undefined) return wrong(`--grace ${grace} must be ${allowedDurations}`)
  if (graceMs < leastGraceMs && !offline)
    return wrong(
      `--grace ${grace} must be at least 30m, for pulls in progress; --offline says that no instance runs on this storage`,
    )
  return { kind: 'gc', limits, graceMs, dryRun, json }
}
