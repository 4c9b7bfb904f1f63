import { systemClock } from '#adapters/time/system-clock.ts'
import { runGc, type GcTools } from '#apps/cli/run-gc.ts'
import { runVerify, type VerifyTools } from '#apps/cli/run-verify.ts'
import { collectGarbage } from '#engine/upkeep/collect-garbage.ts'
import type { Storage } from '#engine/ports/storage.ts'
import { verifyStorage } from '#engine/upkeep/verify-storage.ts'
import { readConfig } from './config.ts'
import { collectPackages, nameOf } from './keep-storage.ts'
import { describeStorage, openStorage, requireStorage } from './open-storage.ts'
import { stayAlive } from './stay-alive.ts'
import { untilInterrupted } from './until-interrupted.ts'

/** `nixery verify`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runVerifyCommand(args: readonly string[]): Promise<number> {
  const tools: VerifyTools = {
    clock: systemClock,
    describeStorage: () => describeStorage(readConfig(process.env).storage),
    async verify({ repair, observe }, signal) {
      await using opened = await openToKeep()
      const repairAs = nameOf('verify')
      return await verifyStorage(opened.storage, { ...(repair && { repairAs }), observe }, signal)
    },
  }
  return stayAlive(() =>
    runVerify(args, tools, process, untilInterrupted(new Error('interrupted'))),
  )
}

/** `nixery gc`, wired. Gives the exit code, throws what keeps it from its work. */
export async function runGcCommand(args: readonly string[]): Promise<number> {
  const tools: GcTools = {
    clock: systemClock,
    nowMs: Date.now,
    describeStorage: () => describeStorage(readConfig(process.env).storage),
    limits() {
      const { everyMs: _, ...limits } = readConfig(process.env).collection
      return limits
    },
    async collect(policy, options, signal) {
      await using opened = await openToKeep()
      const collector = { collector: nameOf('gc'), nowMs: Date.now }
      return await collectGarbage(opened.storage, policy, { ...options, ...collector }, signal)
    },
    collectStore: (options, signal) => collectPackages(readConfig(process.env), options, signal),
  }
  return stayAlive(() => runGc(args, tools, process, untilInterrupted(new Error('interrupted'))))
}

/** The storage as it is, without what mends it on the way or keeps copies of it. */
async function openToKeep(): Promise<AsyncDisposable & { readonly storage: Storage }> {
  const config = readConfig(process.env)
  await requireStorage(config.storage)
  const storage = await openStorage(config)
  return { storage, [Symbol.asyncDispose]: () => storage.close() }
}
