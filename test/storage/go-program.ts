import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { skipUnless } from '#test/clients/availability.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'

/** A program that was built from a Go module, or why there is none. */
export type GoProgram = { readonly path: string } | { readonly skip: string }

const home = join(import.meta.dirname, '..', '..', '.state', 'go')

// Downloads of a hundred modules and minutes of compiling on two busy cores, maybe behind another
// process that builds the same.
const buildTimeoutMs = 600_000

// Under a lock, so that of several test processes one builds and the others wait for it. The program
// gets its name when it is whole; what an ended build left is overwritten by the next one.
const buildOnce = `
cd "$1"
if [ ! -x "$2" ]; then
  GOBIN="$1/unfinished" go install "$3"
  mv "unfinished/$2" "$2"
fi`

/**
 * Builds a program with the machine's Go, once for all runs of this checkout.
 * `packageVersion` is what `go install` takes, with an exact version: `host/owner/name@v1.2.3`.
 */
export async function goProgram(packageVersion: string): Promise<GoProgram> {
  const [importPath = '', version = ''] = packageVersion.split('@')
  const name = importPath.split('/').at(-1)!
  const directory = join(home, `${name}-${version}`)
  const path = join(directory, name)
  if (existsSync(path)) return { path }
  if (skipUnless(['go']) !== false) return { skip: `no Go on this machine to build ${name} with` }
  const missing = skipUnless(['flock', 'setpriv'])
  if (missing !== false) return { skip: missing }
  try {
    await mkdir(directory, { recursive: true })
    await build(directory, name, packageVersion)
    return { path }
  } catch (error) {
    const lines = String(error).trim().split('\n')
    return { skip: `${name} cannot be built here: ${lines.at(-1)}` }
  }
}

async function build(directory: string, name: string, packageVersion: string): Promise<void> {
  const script = ['sh', '-euc', buildOnce, 'build', directory, name, packageVersion]
  const env = { CGO_ENABLED: '0', GOTOOLCHAIN: 'local' }
  await outputOf({ run: (args) => runCommand('flock', args, { env, timeoutMs: buildTimeoutMs }) }, [
    join(directory, 'lock'),
    ...script,
  ])
}
