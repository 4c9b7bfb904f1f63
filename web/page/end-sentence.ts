/** A message that another sentence may follow: those of the service have no full stop. */
export function endSentence(message: string): string {
  return /[.?!…]$/.test(message) ? message : `${message}.`
}
