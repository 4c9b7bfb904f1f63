// C0 and C1 controls, which terminals obey; line ends of Unicode, which viewers of logs obey; and what has
// no width or turns the order of text round (UAX #9).
const unseen =
  // oxlint-disable-next-line no-control-regex -- that is what they are
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g

/** Text of strangers with something else for each run of characters that are not shown as themselves. */
export function replaceUnseen(text: string, replace: (run: string) => string): string {
  return text.replaceAll(unseen, replace)
}
