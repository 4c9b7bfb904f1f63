import { openNix } from '#adapters/nix/nix.ts'
import type { Config } from '../config.ts'
import { nixOptions } from '../open-nix.ts'

/** Names and values of nix.conf as Nix understands it. */
export async function readNixSettings(
  config: Config,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const nix = await openNix(nixOptions(config))
  const text = await nix.query(
    {
      command: 'nix',
      // Nix 2.20 has another name for it and knows this one still.
      args: ['--extra-experimental-features', 'nix-command', 'show-config'],
      timeoutMs: 15_000,
      stdoutLimitBytes: 1024 * 1024,
    },
    signal,
  )
  const lines = text.split('\n').map((line) => /^(\S+) = (.*)$/.exec(line))
  return new Map(lines.flatMap((match) => (match ? [[match[1]!, match[2]!] as const] : [])))
}
