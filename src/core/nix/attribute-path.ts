/**
 * The spelling of an attribute name that two names share when a request cannot tell them apart:
 * lower case, `+` as `plus`, without a leading underscore. `nix/lookup.nix` folds alike.
 */
export function foldAttributeName(name: string): string {
  const lower = name.replaceAll(/[A-Z]/g, toLowerCase).replaceAll('+', 'plus')
  return lower.startsWith('_') ? lower.slice(1) : lower
}

/** `python3Packages.numpy`: how people write the way to an attribute. */
export function formatAttributePath(names: readonly string[]): string {
  return names.join('.')
}

function toLowerCase(letter: string): string {
  return letter.toLowerCase()
}
