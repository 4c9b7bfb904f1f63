import { readControlStanzas, type ControlStanza } from './control-stanzas.ts'

/** Base URLs of Debian's two archives, without a slash at the end. */
export interface DebianMirror {
  readonly main: string
  /** Absent when the machine's apt names none: then the set goes without security updates. */
  readonly security?: string
}

/** One line, or one combination of a deb822 stanza, of the machine's apt configuration. */
export interface AptSource {
  readonly uri: string
  readonly suite: string
  readonly components: readonly string[]
  readonly signedBy?: string
}

/** Suites whose mirror also carries Debian 12. */
const debianSuitePattern =
  /^(bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)(-updates|-security|-backports|-proposed-updates)?(\/updates)?$/

/** Reads a one-line-style file (`/etc/apt/sources.list`; sources.list(5)); `deb-src` lines are left out. */
export function parseOneLineSources(text: string): readonly AptSource[] {
  return text.split('\n').flatMap((line) => {
    const [, optionText = '', rest = ''] = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?([^#]*)/.exec(line) ?? []
    const [uri, suite, ...components] = rest.trim().split(/\s+/)
    if (!uri || suite === undefined) return []
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(optionText)?.[1]
    return [{ uri, suite, components, ...(signedBy === undefined ? {} : { signedBy }) }]
  })
}

/** Reads a deb822-style file (`*.sources`); disabled stanzas and those without `deb` are left out. */
export async function parseDeb822Sources(text: string): Promise<readonly AptSource[]> {
  const sources: AptSource[] = []
  for await (const stanza of readControlStanzas(text.split('\n'))) {
    sources.push(...sourcesOfStanza(stanza))
  }
  return sources
}

/** The mirror that a machine's apt uses for Debian itself; `undefined` when none of the sources is Debian's. */
export function findDebianMirror(sources: readonly AptSource[]): DebianMirror | undefined {
  const own = sources.filter(isDebiansOwn)
  const main = own.find(({ suite }) => !isSecuritySuite(suite))
  const security = own.find(({ suite }) => isSecuritySuite(suite))
  if (main === undefined) return undefined
  return {
    main: withoutSlash(main.uri),
    ...(security === undefined ? {} : { security: withoutSlash(security.uri) }),
  }
}

function sourcesOfStanza(stanza: ControlStanza): readonly AptSource[] {
  const words = (field: string): readonly string[] =>
    (stanza.get(field) ?? '').split(/\s+/).filter((word) => word !== '')
  if (!words('types').includes('deb') || /^(no|false|0)$/i.test(stanza.get('enabled') ?? '')) {
    return []
  }
  const signedBy = stanza.get('signed-by')
  return words('uris').flatMap((uri) =>
    words('suites').map((suite) => ({
      uri,
      suite,
      components: words('components'),
      ...(signedBy === undefined ? {} : { signedBy }),
    })),
  )
}

/**
 * Other archives use Debian's suite names too. Debian's own is signed by its archive key ring, or,
 * in old files that name no key, lives below a directory of Debian's usual names. A wrong guess
 * does no harm: the lists are accepted with Debian's signature only.
 */
function isDebiansOwn(source: AptSource): boolean {
  if (!debianSuitePattern.test(source.suite) || !source.components.includes('main')) return false
  if (!/^(https?|file):/.test(source.uri)) return false
  if (source.signedBy !== undefined) return source.signedBy.includes('debian-archive')
  return /\/debian(-security)?(\/|$)/.test(source.uri)
}

function isSecuritySuite(suite: string): boolean {
  return suite.endsWith('-security') || suite.endsWith('/updates')
}

function withoutSlash(uri: string): string {
  return uri.replace(/\/+$/, '')
}
