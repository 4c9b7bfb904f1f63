/**
 * Whether a text stays one value in nix.conf: a line end would begin another setting, and `#` a
 * comment.
 */
export function isSettingValue(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return !/[\u0000-\u001F\u007F#]/.test(text)
}

// What has no scheme may be a path, a host or an option.
const storeAddressPattern = /^[a-z][a-z0-9+.-]*:\/\/\S+$/

// ssh has users, but passwords nowhere.
const loginPattern = /^https?:\/\/[^/]*@|:\/\/[^/@]*:[^/]*@/

/**
 * Whether a text is the address of a Nix store, such as `https://cache.nixos.org` or
 * `file:///srv/cache`. Not with a login: builders that may use the network can read Nix's settings
 * (`impureEnvVars`), and every user of the machine its arguments.
 */
export function isStoreAddress(text: string): boolean {
  return storeAddressPattern.test(text) && isSettingValue(text) && !loginPattern.test(text)
}

// `name:` and 32 bytes in base 64.
const publicKeyPattern = /^[^\s:#]+:[A-Za-z0-9+/]{43}=$/

/** Whether a text is a public key such as `cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=`. */
export function isPublicKey(text: string): boolean {
  return publicKeyPattern.test(text)
}

const address = /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/'"]*@)?([^\s'"?]*)(?:\?[^\s'"]*)?/gi

/** The same text, its addresses without user, password and query: those may be secret. */
export function redactAddresses(text: string): string {
  return text.replaceAll(address, '$1$2')
}
