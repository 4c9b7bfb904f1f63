import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const leases = join(import.meta.dirname, '..', '..', 'src', 'adapters', 'nix', 'leases.ts')

/** Another process that takes a lease and holds it until it is killed. */
export async function startLeasePeer(leaseDirectory: string) {
  const script = `
    import { Leases } from ${JSON.stringify(leases)}
    const leases = await Leases.open(${JSON.stringify(leaseDirectory)})
    console.log((await leases.lease()).directory)
    setInterval(() => {}, 1e6)
  `
  const peer = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [chunk] = (await once(peer.stdout, 'data')) as [Buffer]
  return {
    lease: chunk.toString().trim(),
    async kill() {
      peer.kill('SIGKILL')
      await once(peer, 'exit')
    },
  }
}
