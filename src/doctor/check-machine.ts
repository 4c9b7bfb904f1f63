import { readFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { formatByteSize } from '#apps/cli/byte-size.ts'
import type { Finding } from '#apps/cli/run-doctor.ts'
import type { Config } from '../config.ts'
import { fail, ok, warn } from './finding.ts'

const leastMemory = 512 * 2 ** 20
const usualMemory = 2 ** 30

export async function checkMachine(config: Config): Promise<readonly Finding[]> {
  const limit = process.constrainedMemory()
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  const cores = availableParallelism()
  const text = `${formatByteSize(memory)} of memory, ${cores} cores, ${config.packThreads} threads that compress`
  const mend = 'give it more memory: evaluating nixpkgs alone takes several hundred megabytes'
  const findings = [
    memory < leastMemory ? fail(text, mend) : memory < usualMemory ? warn(text, mend) : ok(text),
  ]
  if (config.packThreads > 2 * cores)
    findings.push(
      warn(
        'more threads compress than there are cores, which takes memory and gains nothing',
        'unset NIXERY_PACK_THREADS',
      ),
    )
  const files = await softFileLimit()
  if (files !== undefined && files < leastFiles)
    findings.push(
      warn(`only ${files} files may be open at once`, 'raise the limit: ulimit -n, LimitNOFILE='),
    )
  return findings
}

// A connection takes one, and an image that is packed some dozens.
const leastFiles = 1024

async function softFileLimit(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const [, soft] = /^Max open files\s+(\d+)/m.exec(text) ?? []
  return soft === undefined ? undefined : Number(soft)
}
