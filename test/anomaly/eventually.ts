import { setTimeout as delay } from 'node:timers/promises'

// Nobody tells when a process or a file of another process appears, so they are looked for.
const pollMs = 20

// Nobody waits for it but who fails: on a busy machine three commands of Nix take longer than 20 s.
const defaultTimeoutMs = 60_000

/** Waits for what `look` looks for; throws when it is not there in time. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = defaultTimeoutMs,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadlineMs) throw new Error(`${what}: not in ${timeoutMs} ms`)
    await delay(pollMs)
  }
}
