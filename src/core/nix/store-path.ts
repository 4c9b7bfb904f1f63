declare const storePathBrand: unique symbol

/** An absolute path directly below `/nix/store`, such as `/nix/store/<32 characters>-jq-1.6`. */
export type StorePath = string & { readonly [storePathBrand]: true }

/** Where every store path lives, in Nix and in images. */
export const storeDirectory = '/nix/store'

// Nix's base-32 leaves out e, o, t and u; names are at most 211 characters (libstore/path.cc).
const storePathPattern = /^\/nix\/store\/[0-9a-df-np-sv-z]{32}-[-.+_?=0-9a-zA-Z]{1,211}$/

/** Reads a store path; `undefined` when the text is not one (a path below a store path is not one either). */
export function parseStorePath(text: string): StorePath | undefined {
  return storePathPattern.test(text) ? (text as StorePath) : undefined
}

/** The name without the store directory and the hash: `jq-1.6` of `/nix/store/<hash>-jq-1.6`. */
export function storePathName(path: StorePath): string {
  return path.slice(storeDirectory.length + 1 + 32 + 1)
}

/** The part below the store directory: `<hash>-jq-1.6`. */
export function storePathBaseName(path: StorePath): string {
  return path.slice(storeDirectory.length + 1)
}
