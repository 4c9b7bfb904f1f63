import { readdir, readFile } from 'node:fs/promises'

// The kernel counts in 1/100 s on every architecture that Node runs on.
const ticksPerSecond = 100

interface ProcessStat {
  readonly pid: number
  readonly command: string
  readonly parentPid: number
  /** Of the process, and of the children that it has waited for. */
  readonly processorSeconds: number
}

/** Processor time of a process and of the children that it has waited for. */
export async function readProcessorSeconds(pid: number): Promise<number> {
  return parseStat(pid, await readFile(`/proc/${pid}/stat`, 'utf8')).processorSeconds
}

/** Processor time of a process and of all that descend from it and run. */
export async function readTreeSeconds(pid: number): Promise<number> {
  const tree = await readTree(pid)
  return tree.reduce((sum, { processorSeconds }) => sum + processorSeconds, 0)
}

/** The most memory that a process has had resident, children not counted, in MB of 10^6 bytes. */
export async function readPeakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)
  if (peak === null) throw new Error(`/proc/${pid}/status names no VmHWM`)
  return (Number(peak[1]) * 1024) / 1e6
}

/**
 * The memory that a process and its descendants have resident, in MB of 10^6 bytes: an upper bound, since
 * what they share counts for each of them. It does not depend on what else runs on the machine, as a
 * divided share would. Commands of Nix are left out, because they belong to it and not to the product.
 */
export async function readTreeMemory(pid: number): Promise<number> {
  const tree = (await readTree(pid)).filter(({ command }) => !command.startsWith('nix'))
  const sizes = await Promise.all(tree.map(({ pid }) => readResidentBytes(pid)))
  return sizes.reduce((sum, size) => sum + size, 0) / 1e6
}

async function readResidentBytes(pid: number): Promise<number> {
  const rollup = await readUnlessGone(`/proc/${pid}/smaps_rollup`)
  return Number(/^Rss:\s+(\d+) kB$/m.exec(rollup ?? '')?.[1] ?? 0) * 1024
}

async function readTree(root: number): Promise<readonly ProcessStat[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const stats = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readUnlessGone(`/proc/${pid}/stat`)
      return stat === undefined ? [] : [parseStat(pid, stat)]
    }),
  )
  const all = stats.flat()
  const tree = all.filter(({ pid }) => pid === root)
  for (const { pid } of tree) tree.push(...all.filter(({ parentPid }) => parentPid === pid))
  return tree
}

function parseStat(pid: number, stat: string): ProcessStat {
  // The second field is the program's name in brackets, which may hold anything; see proc(5).
  const nameEnd = stat.lastIndexOf(')')
  const fields = stat.slice(nameEnd + 2).split(' ')
  const [userTicks, systemTicks, childUserTicks, childSystemTicks] = fields
    .slice(11, 15)
    .map(Number)
  return {
    pid,
    command: stat.slice(stat.indexOf('(') + 1, nameEnd),
    parentPid: Number(fields[1]),
    processorSeconds:
      (userTicks! + systemTicks! + childUserTicks! + childSystemTicks!) / ticksPerSecond,
  }
}

/** A process that has ended, or a kernel thread, has nothing to read. */
async function readUnlessGone(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
