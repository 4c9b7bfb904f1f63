/** One stanza of a control file: field names in lower case, since policy 5.1 ignores their case. */
export type ControlStanza = ReadonlyMap<string, string>

/**
 * Reads stanzas line by line (Debian policy, section 5.1; the format of `Packages` lists and of
 * `.sources` files). Continuation lines stay in their field, joined by newlines. Comments are left out.
 */
export async function* readControlStanzas(
  lines: AsyncIterable<string> | Iterable<string>,
): AsyncGenerator<ControlStanza> {
  let stanza = new Map<string, string>()
  let field = ''
  for await (const line of lines) {
    if (line.startsWith('#')) continue
    if (line.trim() === '') {
      if (stanza.size > 0) yield stanza
      stanza = new Map()
      continue
    }
    if (line.startsWith(' ') || line.startsWith('\t')) {
      stanza.set(field, `${stanza.get(field) ?? ''}\n${line.trim()}`)
      continue
    }
    const colon = line.indexOf(':')
    if (colon < 0) continue
    field = line.slice(0, colon).toLowerCase()
    stanza.set(field, line.slice(colon + 1).trim())
  }
  if (stanza.size > 0) yield stanza
}
