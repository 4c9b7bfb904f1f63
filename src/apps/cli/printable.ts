import { stripVTControlCharacters } from 'node:util'

// Terminals obey the first ones; the last ones turn the order of text round.
const unprintable =
  // oxlint-disable-next-line no-control-regex -- that is what they are
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g

/** Foreign text as one line that a terminal only shows: what builders print, what packages are called. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(unprintable, ' ').trimEnd()
}
