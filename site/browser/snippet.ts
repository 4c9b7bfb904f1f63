/** A part of a text, and whether it is what somebody searched for. */
export interface Piece {
  readonly text: string
  readonly isMatch: boolean
}

// Two lines of a result.
const longest = 160
const before = 40

/**
 * What a section says around the first of the words that were found in it.
 *
 * @param words in lower case, as the index has them
 */
export function cutSnippet(text: string, words: readonly string[]): readonly Piece[] {
  const first = findMatches(text, words)[0]?.index ?? 0
  const start = first <= before ? 0 : text.indexOf(' ', first - before) + 1
  const end = start + longest >= text.length ? text.length : text.lastIndexOf(' ', start + longest)
  const cut = text.slice(start, end > start ? end : start + longest)
  return markMatches(
    `${start > 0 ? '… ' : ''}${cut}${start + cut.length < text.length ? ' …' : ''}`,
    words,
  )
}

/** All of a text, taken apart where the words are. */
export function markMatches(text: string, words: readonly string[]): readonly Piece[] {
  const pieces: Piece[] = []
  let done = 0
  for (const { 0: match, index } of findMatches(text, words)) {
    if (index > done) pieces.push({ text: text.slice(done, index), isMatch: false })
    pieces.push({ text: match, isMatch: true })
    done = index + match.length
  }
  if (done < text.length) pieces.push({ text: text.slice(done), isMatch: false })
  return pieces
}

function findMatches(text: string, words: readonly string[]): readonly RegExpExecArray[] {
  if (words.length === 0) return []
  // Of two words that begin alike, the longer one.
  const any = words
    .toSorted((one, other) => other.length - one.length)
    .map((word) => RegExp.escape(word))
    .join('|')
  return [
    ...text.matchAll(new RegExp(String.raw`(?<![\p{L}\p{N}])(?:${any})(?![\p{L}\p{N}])`, 'giu')),
  ]
}
