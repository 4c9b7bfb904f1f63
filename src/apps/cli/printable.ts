import { stripVTControlCharacters } from 'node:util'
import { replaceUnseen } from '#core/text/unseen-characters.ts'

/** Foreign text as one line that a terminal only shows: what builders print, what packages are called. */
export function printable(text: string): string {
  return replaceUnseen(stripVTControlCharacters(text), () => ' ').trimEnd()
}
