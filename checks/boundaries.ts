import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

/** An import that the dependency direction `core ← engine ← adapters, apps` forbids. */
export interface Violation {
  readonly file: string
  readonly specifier: string
  readonly reason: string
}

/** What a room may import: other rooms, Node's modules, and packages of npm. */
interface RoomRule {
  readonly rooms: readonly string[]
  readonly nodeModules: readonly string[] | 'all'
  readonly packages: readonly string[] | 'all'
}

const rules: ReadonlyMap<string, RoomRule> = new Map<string, RoomRule>([
  [
    'src/core',
    {
      rooms: [],
      nodeModules: ['node:assert', 'node:crypto', 'node:buffer', 'node:zlib'],
      packages: [],
    },
  ],
  [
    'src/engine',
    { rooms: ['src/core'], nodeModules: ['node:assert', 'node:stream'], packages: ['zod'] },
  ],
  [
    'src/adapters',
    {
      rooms: ['src/core', 'src/engine', 'package-sets'],
      nodeModules: 'all',
      packages: 'all',
    },
  ],
  ['src/apps', { rooms: ['src/core', 'src/engine'], nodeModules: 'all', packages: 'all' }],
  // Runs in browsers.
  [
    'web',
    {
      rooms: ['src/core'],
      nodeModules: [],
      packages: ['@dagrejs/dagre', 'd3-hierarchy', 'preact', 'preact/hooks', 'vite'],
    },
  ],
  ['package-sets', { rooms: ['src/core', 'src/engine'], nodeModules: 'all', packages: 'all' }],
])

// Joins everything, by definition.
const compositionRoots: readonly string[] = [
  'src/compose.ts',
  'src/open-image-specs.ts',
  'src/open-image-views.ts',
  'src/open-nix.ts',
  'src/open-package-search.ts',
  'src/package-search-settings.ts',
  'src/open-packer.ts',
  'src/open-popularity.ts',
  'src/open-sources.ts',
  'src/open-storage.ts',
  'src/open-web.ts',
  'src/keep-storage.ts',
  'src/storage-commands.ts',
  'src/build-command.ts',
  'src/watch-command.ts',
  'src/doctor-command.ts',
  'src/doctor-checks.ts',
  'src/doctor/',
  'src/count-popularity.ts',
  'src/source-settings.ts',
  'src/search-anew.ts',
  'src/search-command.ts',
  'src/serve.ts',
  'src/warning-log.ts',
  'src/main.ts',
]

const aliases: ReadonlyMap<string, string> = new Map([
  ['#core/', 'src/core/'],
  ['#engine/', 'src/engine/'],
  ['#adapters/', 'src/adapters/'],
  ['#apps/', 'src/apps/'],
  ['#package-sets/', 'package-sets/'],
  ['#test/', 'test/'],
])

// Type imports count as well: a room that names another one's types depends on it. A statement may
// span lines; a dynamic import is followed by a bracket.
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"\s]+)['"]/g

/** Every forbidden import among the files below `root`; tests may import what they like. */
export function findViolations(root: string): {
  readonly files: number
  readonly violations: readonly Violation[]
} {
  const files = [...rules.keys()]
    .flatMap((room) => sourceFiles(join(root, room)))
    .map((file) => relative(root, file))
  const checked = files.filter((file) => !/\.(test|soak)\.ts$/.test(file))
  return {
    files: checked.length,
    violations: checked.flatMap((file) => checkFile(file, readFileSync(join(root, file), 'utf8'))),
  }
}

/** The forbidden imports of one file, named by its path from the project's root. */
export function checkFile(file: string, text: string): readonly Violation[] {
  return [...text.matchAll(importPattern)].flatMap(([, specifier = '']) => {
    const reason = forbid(file, specifier)
    return reason === undefined ? [] : [{ file, specifier, reason }]
  })
}

function forbid(file: string, specifier: string): string | undefined {
  const room = roomOf(file)
  const rule = room === undefined ? undefined : rules.get(room)
  if (room === undefined || rule === undefined) return undefined
  if (specifier.startsWith('node:')) return forbidNodeModule(room, rule, specifier)
  const target = targetOf(file, specifier)
  if (target === undefined) {
    if (rule.packages === 'all' || rule.packages.includes(specifier)) return undefined
    return `${room} imports no npm package but ${rule.packages.join(', ') || 'none'}`
  }
  if (isCompositionRoot(target)) return 'nothing imports the composition root'
  const targetRoom = roomOf(target)
  if (targetRoom === room) return undefined
  if (specifier.startsWith('.'))
    return `${room} imports other rooms through #…, not by relative paths`
  if (targetRoom !== undefined && rule.rooms.includes(targetRoom)) return undefined
  return `${room} may import ${rule.rooms.join(', ') || 'no other room'}`
}

function isCompositionRoot(file: string): boolean {
  return compositionRoots.some(
    (root) => file === root || (root.endsWith('/') && file.startsWith(root)),
  )
}

function forbidNodeModule(room: string, rule: RoomRule, specifier: string): string | undefined {
  if (rule.nodeModules === 'all' || rule.nodeModules.includes(specifier)) return undefined
  return `${room} uses of Node only ${rule.nodeModules.join(', ')}`
}

/** The imported file from the project's root; `undefined` for an npm package. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return normalize(join(dirname(file), specifier))
  for (const [alias, directory] of aliases) {
    if (specifier.startsWith(alias)) return directory + specifier.slice(alias.length)
  }
  return undefined
}

function roomOf(file: string): string | undefined {
  return [...rules.keys()].find((room) => file.startsWith(`${room}/`))
}

function sourceFiles(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

if (import.meta.main) {
  const { files, violations } = findViolations(process.cwd())
  for (const { file, specifier, reason } of violations)
    console.error(`${file}: imports ${specifier}: ${reason}`)
  console.log(`boundaries: ${files} files, ${violations.length} violations`)
  // No files at all means that the check looked in the wrong place, not that all is well.
  if (violations.length > 0 || files === 0) process.exitCode = 1
}
