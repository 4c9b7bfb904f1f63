import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

const runsArm64Itself = process.arch === 'arm64'

export const arm64Commands: readonly string[] = runsArm64Itself ? [] : ['qemu-aarch64-static']

// ELF, 64 bit, little endian, executable or shared object, machine 0xb7: binfmt_misc's own notation.
const arm64Magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
const arm64Mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
const emulatorPath = '/usr/bin/qemu-aarch64-static'

/**
 * Makes the kernel run arm64 programs for as long as the handle lives. Where the machine does so already
 * it changes nothing. Otherwise the registration gets a name of its own and goes away again; the flag F
 * opens the emulator now, so that containers need not have it.
 */
export async function enableArm64(): Promise<AsyncDisposable> {
  if (runsArm64Itself || existsSync('/proc/sys/fs/binfmt_misc/qemu-aarch64')) {
    return { [Symbol.asyncDispose]: async () => {} }
  }
  await using stack = new AsyncDisposableStack()
  const { path: directory } = stack.use(await makeScratchDirectory())
  const mountPath = join(directory, 'binfmt')
  await mkdir(mountPath)
  await mountBinfmt(mountPath)
  const name = `nixery-test-${process.pid}`
  const registration = `:${name}:M::${arm64Magic}:${arm64Mask}:${emulatorPath}:F`
  await writeFile(join(mountPath, 'register'), registration)
  stack.defer(() => writeFile(join(mountPath, name), '-1'))
  const resources = stack.move()
  return { [Symbol.asyncDispose]: () => resources.disposeAsync() }
}

async function mountBinfmt(mountPath: string): Promise<void> {
  const { exitCode, stderr } = await runCommand('mount', [
    '-t',
    'binfmt_misc',
    'binfmt_misc',
    mountPath,
  ])
  if (exitCode !== 0) throw new Error(`binfmt_misc cannot be mounted: ${stderr}`)
}
