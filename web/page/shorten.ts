/** At most so many letters of a text, the last one an ellipsis when more followed. */
export function shorten(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, Math.max(letters - 1, 1))}…`
}
