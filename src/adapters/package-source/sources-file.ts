import { z } from 'zod'
import { parseYaml } from '#adapters/yaml/parse-yaml.ts'
import { isGitAddress, isReferenceName } from '#core/request/git-reference.ts'

/** What one package source is configured as. */
export type SourceSettings =
  | { readonly kind: 'bundled' }
  | ({ readonly kind: 'nixpkgs'; readonly channel: string } & TagSettings)
  | ({ readonly kind: 'git'; readonly url: string; readonly entry?: string } & TagSettings)
  | { readonly kind: 'path'; readonly path: string }

/** Which tags beside `latest` a source serves. */
export interface TagSettings {
  /** Patterns, `*` standing for any text. */
  readonly tags: readonly string[]
  /** Whether commits are served that no branch or tag leads to. */
  readonly anyCommit: boolean
}

/** Sources by name, and the one that names without a source mean. */
export interface SourcesFile {
  readonly usual: string
  readonly sources: ReadonlyMap<string, SourceSettings>
}

/** The file is not what it should be; one line says where. */
export class SourcesFileError extends Error {
  override readonly name = 'SourcesFileError'
}

/** More sources than this would make every start slow, and no list of them readable. */
const mostSources = 100

const line = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[^\0\r\n]*$/, 'one line')
const name = z
  .string()
  .regex(/^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/, 'a component of a repository name')
  // Objects list what looks like a number first, and the first source is the usual one.
  .regex(/[a-z]/, 'a component of a repository name, with a letter in it')
const tagSettings = {
  tags: z
    .array(line.regex(/^[-+._*a-zA-Z0-9]+$/, 'a pattern of tags'))
    .max(100)
    .default(['*']),
  anyCommit: z.boolean().default(false),
}

const settingsSchema = z.union(
  [
    z.strictObject({ bundled: z.literal('debian') }),
    z.strictObject({
      channel: line.refine(isReferenceName, 'a channel, a branch or a commit'),
      ...tagSettings,
    }),
    z.strictObject({
      git: line.refine(isGitAddress, 'an address that git understands'),
      entry: line.optional(),
      ...tagSettings,
    }),
    z.strictObject({ path: line.startsWith('/') }),
  ],
  'one of bundled: debian, channel: …, git: … or path: /…, with tags, anyCommit and entry where they apply',
)

const fileSchema = z.strictObject({
  default: name.optional(),
  sources: z
    .record(name, settingsSchema)
    .refine((sources) => Object.keys(sources).length > 0, 'names with values, at least one')
    .refine(
      (sources) => Object.keys(sources).length <= mostSources,
      `names with values, at most ${mostSources}`,
    ),
})

/**
 * Reads named sources from YAML or JSON. The first one is the usual one unless
 * `default` names another. Throws `SourcesFileError`.
 */
export function parseSourcesFile(yaml: string): SourcesFile {
  const parsed = parseYaml(fileSchema, yaml)
  if (parsed.kind === 'wrong') throw new SourcesFileError(parsed.message)
  const sources = new Map(
    Object.entries(parsed.value.sources).map(([key, value]) => [key, settingsOf(value)] as const),
  )
  const usual = parsed.value.default ?? [...sources.keys()][0] ?? ''
  if (!sources.has(usual)) throw new SourcesFileError(`default: there is no source ${usual}`)
  return { usual, sources }
}

function settingsOf(read: z.output<typeof settingsSchema>): SourceSettings {
  if ('bundled' in read) return { kind: 'bundled' }
  if ('channel' in read) return { kind: 'nixpkgs', ...read }
  if ('path' in read) return { kind: 'path', path: read.path }
  const { git: url, entry: part, tags, anyCommit } = read
  return { kind: 'git', url, tags, anyCommit, ...(part === undefined ? {} : { entry: part }) }
}
