import { formatOneLine } from '#core/text/one-line.ts'
import { redactAddresses } from '#core/nix/nix-setting.ts'
import { stripTerminalCodes } from '#core/nix/structured-log.ts'
import type { PackageBuilder } from '#engine/ports/package-builder.ts'
import type { Nix } from './nix.ts'
import type { PushQueue, PushQueueOptions } from './push-queue.ts'

/** A closure of some gigabytes through a slow line. */
const copyTimeoutMs = 60 * 60_000

/** `nix copy` prints nothing there. */
const stdoutLimitBytes = 64 * 1024

/** Copies store paths with their closures to the binary cache at an address. */
export function copyToCache(nix: Nix, address: string): PushQueueOptions['copy'] {
  return async (paths, signal) => {
    const args = ['copy', '--extra-experimental-features', 'nix-command', '--to', address, ...paths]
    try {
      const call = { command: 'nix', args, timeoutMs: copyTimeoutMs, stdoutLimitBytes } as const
      const end = await nix.call(call, signal)
      return end.kind === 'succeeded' ? undefined : describe(end.stderrTail || end.status)
    } catch (error) {
      // Nothing that a cache does may end the service or a build; the caller reports it.
      return describe(error instanceof Error ? error.message : String(error))
    }
  }
}

/** The last line that begins an error, without what an address may hold of secrets. */
function describe(stderr: string): string {
  const lines = stripTerminalCodes(stderr).trim().split('\n')
  const line = lines.findLast((it) => it.startsWith('error:')) ?? lines.at(-1) ?? ''
  return formatOneLine(redactAddresses(line.replace(/^error: */, '')))
}

/**
 * The same builder, which hands on what was realised. Nothing keeps those paths from being collected
 * before they are copied: a cache without them only makes somebody build them again.
 */
export function pushBack(builder: PackageBuilder, queue: PushQueue): PackageBuilder {
  return {
    ...builder,
    async realise(packages, ...call) {
      const outcome = await builder.realise(packages, ...call)
      if (outcome.kind === 'realised') {
        queue.push(packages.flatMap(({ outputs }) => outputs.map(({ path }) => path)))
      }
      return outcome
    },
  }
}
