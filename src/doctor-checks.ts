import type { DoctorCheck } from '#apps/cli/run-doctor.ts'
import type { Config } from './config.ts'
import { checkCaches } from './doctor/check-caches.ts'
import { checkClock } from './doctor/check-clock.ts'
import { checkDirectory } from './doctor/check-directory.ts'
import { checkDisks } from './doctor/check-disks.ts'
import { checkMachine } from './doctor/check-machine.ts'
import { checkNix } from './doctor/check-nix.ts'
import { checkPort } from './doctor/check-port.ts'
import { checkSandbox } from './doctor/check-sandbox.ts'
import { checkSettings } from './doctor/check-settings.ts'
import { checkSources } from './doctor/check-sources.ts'
import { checkStorage } from './doctor/check-storage.ts'
import { checkTools } from './doctor/check-tools.ts'

/** What `nixery doctor` looks at. */
export function doctorChecks(config: Config): readonly DoctorCheck[] {
  const { stateDirectory } = config
  return [
    { subject: 'settings', run: async () => checkSettings(config) },
    { subject: 'tools', run: checkTools },
    { subject: 'Nix', run: (signal) => checkNix(config, signal) },
    { subject: 'sandbox', run: (signal) => checkSandbox(config, signal) },
    { subject: 'state', run: () => checkDirectory('NIXERY_STATE_DIRECTORY', stateDirectory) },
    { subject: 'storage', run: (signal) => checkStorage(config, signal) },
    { subject: 'disk', run: () => checkDisks(config) },
    { subject: 'packages', run: (signal) => checkSources(config, signal) },
    { subject: 'binary caches', run: (signal) => checkCaches(config, signal) },
    { subject: 'clock', run: (signal) => checkClock(config, signal) },
    { subject: 'port', run: (signal) => checkPort(config, signal) },
    { subject: 'machine', run: async () => checkMachine(config) },
  ]
}
