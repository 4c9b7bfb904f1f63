/** Ids of builds and orders, as part of a regular expression: 12 hex digits. */
export const idPattern = '[0-9a-f]{12}'

const whole = new RegExp(`^${idPattern}$`)

export function isId(text: string): boolean {
  return whole.test(text)
}
