/** A user and what proves it: a password or a token. */
export interface Credential {
  readonly username: string
  readonly password: string
}

/**
 * The credential that a netrc file has for a host: of the first `machine` with its name. `default`
 * is for nobody, because locked inputs of flakes name hosts as well. Texts may be in double quotes,
 * as curl takes them; macros are skipped.
 */
export function findInNetrc(text: string, host: string): Credential | undefined {
  const found = parseEntries(text).find(({ machine }) => machine === host)
  if (found?.password === undefined) return undefined
  return { username: found.login ?? '', password: found.password }
}

interface Entry {
  /** `undefined` is the default. */
  readonly machine: string | undefined
  login?: string
  password?: string
}

function parseEntries(text: string): readonly Entry[] {
  const tokens = tokensOf(text)
  const entries: Entry[] = []
  for (let index = 0; index < tokens.length; index++) {
    const word = tokens[index]
    const entry = entries.at(-1)
    if (word === 'machine') entries.push({ machine: tokens[++index] ?? '' })
    else if (word === 'default') entries.push({ machine: undefined })
    else if (word === 'login' && entry) entry.login = tokens[++index] ?? ''
    else if (word === 'password' && entry) entry.password = tokens[++index] ?? ''
    else if (word === 'account') index++
  }
  return entries
}

function tokensOf(text: string): readonly string[] {
  // A macro ends with an empty line. A comment is a line of its own: passwords may hold `#`.
  const plain = text
    .replaceAll('\r\n', '\n')
    .replaceAll(/^[ \t]*#.*$/gm, '')
    .replaceAll(/^[ \t]*macdef\b(?:.*\n)(?:.+\n?)*/gm, '')
  return [...plain.matchAll(/"((?:\\.|[^"\\])*)"|\S+/g)].map(([word, quoted]) =>
    quoted === undefined ? word : quoted.replaceAll(/\\(.)/g, '$1'),
  )
}
