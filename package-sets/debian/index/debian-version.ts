interface DebianVersion {
  readonly epoch: number
  readonly upstream: string
  readonly revision: string
}

/** Relations of a versioned dependency (Debian policy, section 7.1). */
export type VersionRelation = '<<' | '<=' | '=' | '>=' | '>>'

/** Orders two versions as dpkg does (Debian policy, section 5.6.12): negative when `a` is older. */
export function compareDebianVersions(a: string, b: string): number {
  if (a === b) return 0
  const left = splitVersion(a)
  const right = splitVersion(b)
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  )
}

/** Whether `version` stands in `relation` to `bound`. */
export function satisfiesRelation(
  version: string,
  relation: VersionRelation,
  bound: string,
): boolean {
  return relations[relation](compareDebianVersions(version, bound))
}

const relations: Readonly<Record<VersionRelation, (order: number) => boolean>> = {
  '<<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '=': (order) => order === 0,
  '>=': (order) => order >= 0,
  '>>': (order) => order > 0,
}

function splitVersion(version: string): DebianVersion {
  const colon = version.indexOf(':')
  const rest = version.slice(colon + 1)
  const hyphen = rest.lastIndexOf('-')
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? '' : rest.slice(hyphen + 1),
  }
}

/** Alternates between a run of other characters and a run of digits, as the policy words it. */
function compareParts(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const order = characterWeight(a, i) - characterWeight(b, j)
      if (order !== 0) return order
      i += 1
      j += 1
    }
    const left = digitsAt(a, i)
    const right = digitsAt(b, j)
    const order = compareDigits(left, right)
    if (order !== 0) return order
    i += left.length
    j += right.length
  }
  return 0
}

/** `~` sorts before the end of the part, the end and digits before letters, letters before the rest. */
function characterWeight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0
  const character = text.charAt(at)
  if (character === '~') return -1
  const code = character.charCodeAt(0)
  return /[A-Za-z]/.test(character) ? code : code + 256
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 48 && code <= 57
}

function digitsAt(text: string, start: number): string {
  let end = start
  while (isDigit(text, end)) end += 1
  return text.slice(start, end)
}

/** Compares by length first, because dates such as 20230311101112131415 exceed a safe integer. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, '')
  const right = b.replace(/^0+/, '')
  if (left.length !== right.length) return left.length - right.length
  return left < right ? -1 : left > right ? 1 : 0
}
