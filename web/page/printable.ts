import { replaceUnseen } from '#core/text/unseen-characters.ts'

/**
 * Text of strangers as it may be shown: escape sequences of terminals are left out, characters that
 * cannot be seen or turn the direction of what stands beside them become `�`. Tabs and line ends stay.
 */
export function printable(text: string): string {
  const kept = /[^\t\n]/g
  return replaceUnseen(text.replaceAll(escapeSequence, ''), (run) => run.replaceAll(kept, '\ufffd'))
}

// ECMA-48: CSI sequences (colours) and OSC strings (titles, links).
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const escapeSequence = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g
