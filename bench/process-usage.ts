import { readFile } from 'node:fs/promises'

// The kernel counts in 1/100 s on every architecture that Node runs on.
const ticksPerSecond = 100

/** Processor time of a process and of the children that it has waited for. */
export async function readProcessorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets, which may hold anything; see proc(5).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [userTicks, systemTicks, childUserTicks, childSystemTicks] = fields
    .slice(11, 15)
    .map(Number)
  return (userTicks! + systemTicks! + childUserTicks! + childSystemTicks!) / ticksPerSecond
}

/** The most memory that a process has had resident, children not counted, in MB of 10^6 bytes. */
export async function readPeakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)
  if (peak === null) throw new Error(`/proc/${pid}/status names no VmHWM`)
  return (Number(peak[1]) * 1024) / 1e6
}
