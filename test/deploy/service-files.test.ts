import assert from 'node:assert/strict'
import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { skipUnless } from '#test/clients/availability.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { readConfig } from '../../src/config.ts'
import { drainMs } from '../../src/serve.ts'
import { readUnit } from './read-unit.ts'

const projectRoot = join(import.meta.dirname, '..', '..')
const deploy = join(projectRoot, 'deploy')
const unitPath = join(deploy, 'nixery.service')
const readText = (path: string) => readFile(path, 'utf8')

// What is left open has reasons that the unit gives: the network, memory that Node compiles into, and
// Nix's stack.
const mostExposure = 1.5

suite('nixery.service', () => {
  test('leaves the service the time that it needs to end, and its builds to itself', async () => {
    const { Service: service = {} } = await readUnit(unitPath)
    assert.ok(Number(service['TimeoutStopSec']) * 1000 >= 2 * drainMs)
    assert.equal(service['KillMode'], 'mixed')
  })

  test('starts a program that is there', async () => {
    const { Service: service = {} } = await readUnit(unitPath)
    const program = service['ExecStart']?.split(' ')[0]?.replace('/opt/nixery', projectRoot) ?? ''
    await access(program, constants.X_OK)
  })

  const skip = skipUnless(['systemd-analyze'])
  test('is a unit that systemd finds nothing wrong with', { skip }, async () => {
    await using directory = await makeScratchDirectory()
    const path = join(directory.path, 'nixery.service')
    // systemd looks whether the program is there.
    await writeFile(path, (await readText(unitPath)).replaceAll('/opt/nixery', projectRoot))
    const { stdout, stderr } = await runCommand('systemd-analyze', ['verify', '--man=no', path])
    const ofUnit = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('nixery'))
    assert.deepEqual(ofUnit, [])
  })

  test('is closed to what the service does not need', { skip }, async () => {
    await using directory = await makeScratchDirectory()
    const units = join(directory.path, 'etc', 'systemd', 'system')
    await mkdir(units, { recursive: true })
    await writeFile(join(units, 'nixery.service'), await readText(unitPath))
    const args = ['security', '--offline=true', `--root=${directory.path}`, 'nixery.service']
    const systemd = { run: () => runCommand('systemd-analyze', args) }
    const exposure = /exposure level for nixery.service: ([\d.]+)/.exec(await outputOf(systemd, []))
    assert.ok(Number(exposure?.[1]) <= mostExposure, `${exposure?.[1]}`)
  })
})

test('nixery.env.example has settings that the service takes, those that are off too', async () => {
  const text = await readText(join(deploy, 'nixery.env.example'))
  const variables = [...text.matchAll(/^#?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  )
  assert.ok(variables.length > 10)
  // The three alternatives exclude each other.
  const alternatives = ['NIXERY_CHANNEL', 'NIXERY_PKGS_REPO', 'NIXERY_SOURCES']
  for (const chosen of alternatives) {
    const left = variables.filter(([name]) => name === chosen || !alternatives.includes(name))
    readConfig(Object.fromEntries(left))
  }
})

suite('compose.yaml', () => {
  const read = async () => {
    const text = await readText(join(deploy, 'compose.yaml'))
    return parse(text) as {
      readonly services: {
        readonly nixery: {
          readonly build: { readonly context: string; readonly dockerfile: string }
          readonly volumes: readonly string[]
          readonly stop_grace_period: string
        }
      }
      readonly volumes: Readonly<Record<string, unknown>>
    }
  }

  test('leaves the service the time that it needs to end', async () => {
    const [, seconds] = /^(\d+)s$/.exec((await read()).services.nixery.stop_grace_period) ?? []
    assert.ok(Number(seconds) * 1000 >= 2 * drainMs)
  })

  test('builds the image of the Dockerfile and keeps the volumes that it declares', async () => {
    const { services, volumes } = await read()
    const { build } = services.nixery
    const dockerfile = await readText(join(deploy, build.context, build.dockerfile))
    const declared: unknown = JSON.parse(/^VOLUME (.*)$/m.exec(dockerfile)?.[1] ?? '')
    const mounted = services.nixery.volumes.map((volume) => volume.split(':'))
    assert.deepEqual(
      mounted.map(([, path]) => path),
      declared,
    )
    assert.deepEqual(
      mounted.map(([name]) => name),
      Object.keys(volumes),
    )
  })
})
