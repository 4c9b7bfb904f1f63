import { dockerArchive } from '#adapters/image-files/docker-archive.ts'
import { ociLayout } from '#adapters/image-files/oci-layout.ts'
import { createMetrics } from '#adapters/metrics/metrics.ts'
import { registryDestination } from '#adapters/registry-client/registry-destination.ts'
import { findLogin } from '#adapters/registry-client/stored-logins.ts'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { BuildOutput } from '#apps/cli/build-output.ts'
import { runBuild, type BuildTools, type OpenRegistry } from '#apps/cli/run-build.ts'
import type { ImageDestination } from '#engine/ports/image-destination.ts'
import { GivenUp } from '#engine/share-builds.ts'
import { compose } from './compose.ts'
import { readConfig, type Config } from './config.ts'
import { stayAlive } from './stay-alive.ts'
import { unlessInterrupted, untilInterrupted } from './until-interrupted.ts'
import { warningLog } from './warning-log.ts'

/** `nixery build`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runBuildCommand(args: readonly string[]): Promise<number> {
  const signal = untilInterrupted(new GivenUp('interrupted'))
  const tools: BuildTools = { open, destination, clock: systemClock, nowMs: Date.now }
  const { stdout, stderr, env: environment } = process
  const terminal = { stdout, stderr, environment }
  return unlessInterrupted(() => stayAlive(() => runBuild(args, tools, terminal, signal)), signal)
}

/** The registry of `nixery serve` without what a service does beside: nothing is renewed or collected. */
async function open(
  { platforms, builds, warn }: Parameters<BuildTools['open']>[0],
  signal: AbortSignal,
): Promise<OpenRegistry> {
  const config = readConfig(process.env)
  const own: Config = {
    ...config,
    ...(platforms && { platforms }),
    refreshMs: 0,
    collection: { ...config.collection, everyMs: 0 },
  }
  const watchers = { logger: warningLog(warn), metrics: createMetrics(), builds }
  const system = await compose(own, watchers, signal)
  return {
    ...system.registry,
    platforms: (name) => system.platforms(name),
    async [Symbol.asyncDispose]() {
      await system.endBuilds()
      await system.close()
    },
  }
}

function destination(
  output: BuildOutput,
  { insecure }: { readonly insecure: boolean },
): ImageDestination {
  switch (output.kind) {
    case 'oci':
      return ociLayout(output.directory, output.tag)
    case 'docker-archive':
      return dockerArchive(output.path, output)
    case 'registry': {
      const { host, name: repository, tag } = output
      return registryDestination({
        host,
        repository,
        tag,
        insecure,
        findLogin: (signal) => findLogin(host, repository, process.env, signal),
        clock: systemClock,
      })
    }
  }
}
