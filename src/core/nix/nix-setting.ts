/**
 * Whether a text stays one value in nix.conf: a line end would begin another setting, and `#` a
 * comment.
 */
export function isSettingValue(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return !/[\u0000-\u001F\u007F#]/.test(text)
}

// libstore/uri: what has no scheme may be a path, a host or an option.
const storeAddressPattern = /^[a-z][a-z0-9+.-]*:\/\/[^\s#]+$/

/** Addresses of Nix stores between blanks, such as `https://cache.nixos.org file:///srv/cache`. */
export function parseStoreAddresses(text: string): readonly string[] | undefined {
  return parseWords(text, (word) => storeAddressPattern.test(word) && isSettingValue(word))
}

// `name:` and 32 bytes in base 64.
const publicKeyPattern = /^[^\s:#]+:[A-Za-z0-9+/]{43}=$/

/** Public keys between blanks, such as `cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=`. */
export function parsePublicKeys(text: string): readonly string[] | undefined {
  return parseWords(text, (word) => publicKeyPattern.test(word) && isSettingValue(word))
}

function parseWords(
  text: string,
  isAllowed: (word: string) => boolean,
): readonly string[] | undefined {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return words.length > 0 && words.every(isAllowed) ? words : undefined
}

const address = /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/'"]*@)?([^\s'"?]*)(?:\?[^\s'"]*)?/gi

/** The same text, its addresses without user, password and query: those may be secret. */
export function redactAddresses(text: string): string {
  return text.replaceAll(address, '$1$2')
}
