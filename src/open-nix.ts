import { join } from 'node:path'
import type { Logger } from 'pino'
import { describeError } from '#adapters/log/described-error.ts'
import {
  createNixPackageBuilder,
  type NixPackageBuilder,
} from '#adapters/nix/nix-package-builder.ts'
import type { NixOptions } from '#adapters/nix/nix.ts'
import type { PushEvent } from '#adapters/nix/push-queue.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { Config } from './config.ts'

/** How the configuration lets Nix be called. */
export function nixOptions(config: Config): NixOptions {
  const { nixBinDirectory: binDirectory, caches, builders, environment } = config
  return {
    ...(binDirectory === undefined ? {} : { binDirectory }),
    ...(builders === undefined ? {} : { builders }),
    caches,
    inheritedEnvironment: environment,
  }
}

/** The package builder that the configuration describes. */
export function openNix(
  config: Config,
  logger: Logger,
  settings: ReadonlyMap<string, string>,
): Promise<NixPackageBuilder> {
  const { pushCache } = config
  return createNixPackageBuilder({
    ...nixOptions(config),
    settings,
    leaseDirectory: join(config.stateDirectory, 'leases'),
    nixTimeoutS: config.nixTimeoutS,
    // The deadline of the whole build is the one that counts.
    realisationTimeoutMs: config.buildDeadlineMs,
    substituteOnly: config.substituteOnly,
    evaluationCache: {
      clock: systemClock,
      directory: join(config.stateDirectory, 'evaluations'),
      report: (error) =>
        logger.warn({ error: describeError(error) }, 'what packages are cannot be remembered'),
    },
    ...(pushCache === undefined
      ? {}
      : { pushBack: { to: pushCache, clock: systemClock, report: logPushes(logger) } }),
  })
}

function logPushes(logger: Logger): (event: PushEvent) => void {
  return ({ kind, paths, ...facts }) => {
    const counted = { paths: paths.length, ...facts }
    if (kind === 'pushed') logger.debug(counted, 'pushed to the binary cache')
    else if (kind === 'push-failed') logger.warn(counted, 'not pushed to the binary cache')
    else logger.warn(counted, 'not pushed to the binary cache: too much waits, or the service ends')
  }
}
