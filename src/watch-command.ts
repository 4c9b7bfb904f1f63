import { systemClock } from '#adapters/time/system-clock.ts'
import { BuildService } from '#apps/cli/build-service.ts'
import { runWatch } from '#apps/cli/run-watch.ts'
import { readConfig } from './config.ts'
import { stayAlive } from './stay-alive.ts'
import { unlessInterrupted, untilInterrupted } from './until-interrupted.ts'

/** `nixery watch`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runWatchCommand(args: readonly string[]): Promise<number> {
  const signal = untilInterrupted(new Error('interrupted'))
  const tools = {
    // Settings are read only for the address: another machine may have others.
    service: (server: URL | undefined) => new BuildService(server ?? localServer()),
    clock: systemClock,
    nowMs: Date.now,
  }
  const { stdout, stderr, env: environment } = process
  const terminal = { stdout, stderr, environment }
  return unlessInterrupted(() => stayAlive(() => runWatch(args, tools, terminal, signal)), signal)
}

function localServer(): URL {
  return new URL(`http://localhost:${readConfig(process.env).port}`)
}
