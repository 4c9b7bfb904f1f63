import { readdir, readFile } from 'node:fs/promises'

export interface FoundProcess {
  readonly pid: number
  readonly commandLine: string
}

/** The live processes whose command line or environment holds one of the texts. */
export async function findProcesses(...texts: readonly string[]): Promise<readonly FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const processes = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readProcessFile(pid, 'cmdline')
      const environment = await readProcessFile(pid, 'environ')
      return { pid, commandLine, all: `${commandLine}\0${environment}` }
    }),
  )
  return processes
    .filter(({ pid, all }) => pid !== process.pid && texts.some((text) => all.includes(text)))
    .map(({ pid, commandLine }) => ({ pid, commandLine: commandLine.replaceAll('\0', ' ') }))
}

/** Empty when the process has ended (a zombie's files are empty too) or is nothing that we may see. */
async function readProcessFile(pid: number, name: 'cmdline' | 'environ'): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return ''
    throw error
  }
}
