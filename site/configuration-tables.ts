import { z } from 'zod'
import { variables, type Variable } from '../src/config-variables.ts'

/** Sections of docs/configuration.md: each begins with the variable that it names. */
const sections: readonly { readonly title: string; readonly first: keyof typeof variables }[] = [
  { title: 'The service', first: 'PORT' },
  { title: 'Storage', first: 'NIXERY_STORAGE_BACKEND' },
  { title: 'Garbage collection', first: 'NIXERY_GC_HOURS' },
  { title: 'Package sources', first: 'NIXERY_CHANNEL' },
  { title: 'Images and policy', first: 'NIXERY_PLATFORMS' },
  { title: 'Nix', first: 'NIXERY_NIX_BIN' },
  { title: 'Builds', first: 'NIXERY_BUILD_DEADLINE' },
  { title: 'Layers', first: 'NIXERY_PACK_THREADS' },
  { title: 'Log', first: 'LOG_LEVEL' },
]

/** Names, meanings, allowed values and defaults of all settings, a table for each section. */
export function formatConfiguration(): string {
  return Object.entries(variables)
    .flatMap(([name, variable]) => {
      const section = sections.find(({ first }) => first === name)
      const row = `| \`${name}\` | ${variable.about} | ${variable.allowed} | ${formatDefault(variable)} |`
      return section === undefined ? [row] : [...formatHead(section.title), row]
    })
    .join('\n')
}

function formatHead(title: string): readonly string[] {
  return [
    '',
    `## ${title}`,
    '',
    '| variable | what it does | allowed | default |',
    '| --- | --- | --- | --- |',
  ]
}

const defaultShape = z.union([
  z.boolean(),
  z.string(),
  z.number(),
  z.array(z.unknown()),
  z.undefined(),
])

/** Empty where there is none, and where `about` says what decides it. */
function formatDefault({ schema, about }: Variable): string {
  const value = defaultShape.parse(schema.parse(undefined))
  if (value === undefined || about.includes('unless set')) return ''
  if (typeof value === 'boolean') return value ? '`on`' : '`off`'
  const text = [value].flat().join(',')
  return text === '' ? '' : `\`${text}\``
}
