/** Runs a command as root without root's right to pass over permissions. */
export const asMereOwner: readonly string[] = [
  'setpriv',
  '--bounding-set=-dac_override,-dac_read_search',
  '--',
]
