import { systemClock } from '#adapters/time/system-clock.ts'
import { runDoctor, type DoctorTools } from '#apps/cli/run-doctor.ts'
import { ConfigError, readConfig } from './config.ts'
import { explain } from './doctor/finding.ts'
import { stayAlive } from './stay-alive.ts'
import { unlessInterrupted, untilInterrupted } from './until-interrupted.ts'

/** `nixery doctor`, wired. Gives the exit code. */
export async function runDoctorCommand(args: readonly string[]): Promise<number> {
  const signal = untilInterrupted(new Error('interrupted'))
  const tools: DoctorTools = { checks: findChecks, explain, clock: systemClock }
  const { stdout, stderr, env: environment } = process
  const terminal = { stdout, stderr, environment }
  return unlessInterrupted(() => stayAlive(() => runDoctor(args, tools, terminal, signal)), signal)
}

/** Settings that are not understood leave nothing to look at. */
async function findChecks(): ReturnType<DoctorTools['checks']> {
  try {
    const config = readConfig(process.env)
    const { doctorChecks } = await import('./doctor-checks.ts')
    return doctorChecks(config)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { message } = error
    const mend = 'correct the variable or unset it'
    return [{ subject: 'settings', run: async () => [{ level: 'fail', message, mend }] }]
  }
}
