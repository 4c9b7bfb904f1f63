/**
 * Text of strangers as it may be shown: escape sequences of terminals are left out, characters that
 * cannot be seen or turn the direction of what stands beside them become `�`. Tabs and line ends stay.
 */
export function printable(text: string): string {
  return text.replaceAll(escapeSequence, '').replaceAll(unseen, '\ufffd')
}

// ECMA-48: CSI sequences (colours) and OSC strings (titles, links).
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const escapeSequence = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g
// Unicode bidirectional controls (UAX #9), zero-width characters, C0 and C1 controls.
const unseen =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g
