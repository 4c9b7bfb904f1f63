import { parseStorePath, type StorePath } from './store-path.ts'

/** What a binary cache did wrong, as Nix words it. */
export interface CacheFailure {
  readonly kind: 'unreachable' | 'untrusted'
  readonly message: string
}

/** A closure of more missing paths tells nobody more. */
const keptPaths = 10_000

/** Collects from the messages of `nix-store --realise` which paths no binary cache has, and why. */
export class SubstitutionReport {
  readonly #missing: StorePath[] = []
  #cacheFailure: CacheFailure | undefined
  #inMissingPaths = false

  /** Takes one message, which is one line of text. */
  accept(text: string): void {
    const path = /^ {2}(\/\S+)$/.exec(text)?.[1]
    if (path === undefined) {
      // Newer versions may add "(may be caused by read-only store access)".
      this.#inMissingPaths = /^don't know how to build these paths.*:$/.test(text)
      this.#cacheFailure = parseCacheFailure(text) ?? this.#cacheFailure
    } else if (this.#inMissingPaths && this.#missing.length < keptPaths) {
      const storePath = parseStorePath(path)
      if (storePath !== undefined) this.#missing.push(storePath)
    }
  }

  /** Sorted by hash, as Nix prints them. */
  get missing(): readonly StorePath[] {
    return this.#missing
  }

  /** The last one: before it may stand attempts that were repeated. */
  get cacheFailure(): CacheFailure | undefined {
    return this.#cacheFailure
  }
}

// libstore: substitution-goal.cc, filetransfer.cc and binary-cache-store.cc, of 2.8 and later.
const cacheFailures: readonly (readonly [RegExp, CacheFailure['kind']])[] = [
  [/not signed by any of the keys in 'trusted-public-keys'/, 'untrusted'],
  [/lacks a (?:valid )?signature/, 'untrusted'],
  // A daemon to a user who is not one of its trusted-users.
  [/^ignoring untrusted substituter '/, 'untrusted'],
  [/^unable to download '/, 'unreachable'],
  [/does not appear to be a binary cache/, 'unreachable'],
  [/does not exist in binary cache/, 'unreachable'],
]

function parseCacheFailure(text: string): CacheFailure | undefined {
  const message = text.replace(/^(?:(?:error|warning):\s*)+/, '')
  const found = cacheFailures.find(([pattern]) => pattern.test(message))
  return found && { kind: found[1], message }
}
