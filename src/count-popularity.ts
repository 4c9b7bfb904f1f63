import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { createNixPackageBuilder } from '#adapters/nix/nix-package-builder.ts'
import { listTopLevelNames } from '#adapters/nix/top-level-names.ts'
import { createPathSource } from '#adapters/package-source/path-source.ts'
import { countChannel } from '#adapters/popularity/count-channel.ts'
import { writePopularity } from '#adapters/popularity/write-popularity.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import { runPopularity, type OpenPackageSet } from '#apps/cli/run-popularity.ts'
import { systemOf } from '#core/nix/system.ts'
import { readConfig, type Config } from './config.ts'
import { nixOptions } from './open-nix.ts'
import { untilInterrupted } from './until-interrupted.ts'

/**
 * `nixery popularity`, wired. Gives the exit code, throws what keeps it from writing the file. The
 * first Ctrl-C ends it with its progress kept, a second one at once.
 */
export async function countPopularity(args: readonly string[]): Promise<number> {
  const signal = untilInterrupted(new Error('interrupted; the same command goes on from there'))
  const tools = {
    countChannel,
    openPackageSet,
    writePopularity,
    clock: systemClock,
  }
  return runPopularity(args, tools, process, signal)
}

async function openPackageSet(path: string, signal: AbortSignal): Promise<OpenPackageSet> {
  const config = readConfig(process.env)
  const set = await fetchSet(path, config, signal)
  const [platform] = config.platforms
  const view = { set, policy: config.policy, system: systemOf(platform) }
  const nix = await openNix(config)
  return {
    ...view,
    nix,
    listNames: (until) => listTopLevelNames(nixOptions(config), view, until),
    [Symbol.asyncDispose]: () => nix.close(),
  }
}

async function fetchSet(path: string, { environment }: Config, signal: AbortSignal) {
  try {
    await access(path, constants.R_OK)
  } catch (cause) {
    throw new Error(`--packages ${path} must be a Nix file or directory that can be read`, {
      cause,
    })
  }
  const source = createPathSource('', path, { environment })
  const pin = await source.pin('latest', signal)
  if (pin.kind !== 'pinned') throw new Error(pin.message)
  const fetched = await source.fetch(pin.pinned, signal)
  if (fetched.kind !== 'fetched') throw new Error(fetched.message)
  return fetched.set
}

/** Without what the service does beside: nothing is pushed to a binary cache. */
function openNix(config: Config) {
  return createNixPackageBuilder({
    ...nixOptions(config),
    leaseDirectory: join(config.stateDirectory, 'leases'),
    nixTimeoutS: config.nixTimeoutS,
    substituteOnly: config.substituteOnly,
  })
}
