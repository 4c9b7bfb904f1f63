import { replaceUnseen } from './unseen-characters.ts'

/** What fits beside the name of a package in one line of a terminal or a log. */
export const usualLineLength = 500

/** One line of at most so many characters, which terminals only show. */
export function formatOneLine(text: string, limit = usualLineLength): string {
  const line = replaceUnseen(text, () => ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return line.length <= limit ? line : `${line.slice(0, limit - 1)}…`
}
