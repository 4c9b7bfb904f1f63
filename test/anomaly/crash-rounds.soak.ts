import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { skipUnless } from '#test/clients/availability.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { pullImage, tryPull } from './pull-image.ts'
import { seededRandom } from './random.ts'
import { startAndKill, startRegistry } from './registry-process.ts'
import { findStagedFiles, findStorageViolations, siteCommands } from './registry-site.ts'

const rounds = Number(process.env['NIXERY_TEST_ROUNDS'] ?? 40)
const seed = Number(process.env['NIXERY_TEST_SEED'] ?? randomInt(2 ** 31))

// They share most of their layers, and differ in others.
const images = ['jq', 'tree', 'jq/tree', 'shell/tree', 'shell/jq/less']

// The level is part of every key: with each one all is packed anew, however full the storage is.
const levels = [1, 2, 3, 4, 5, 6]

// Nothing is as long under way; most rounds are hit at work.
const latestKillMs = 3_000
const latestStartKillMs = 700

test(
  `${rounds} crashes on one storage directory, seed ${seed}`,
  { skip: skipUnless(siteCommands) },
  async () => {
    await using scratch = await makeScratchDirectory()
    const stateDirectory = await prepareStateDirectory()
    const random = seededRandom(seed)
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
    const storageDirectory = join(scratch.path, 'storage')
    const environmentOf = (level: number, storage = storageDirectory) => ({
      NIXERY_STATE_DIRECTORY: stateDirectory,
      STORAGE_PATH: storage,
      NIXERY_REFRESH_HOURS: '0',
      NIXERY_GZIP_LEVEL: String(level),
    })
    const digests = new Map<string, string>()

    for (let round = 0; round < rounds; round += 1) {
      const [image, level] = [pick(images), pick(levels)]
      const environment = environmentOf(level)
      if (random() < 0.2) await startAndKill({ environment }, random() * latestStartKillMs)
      await crashDuringPull(environment, image, random() * latestKillMs)
      if (round > 0) assert.deepEqual(await findStorageViolations(storageDirectory), [])

      await using service = await startRegistry({ environment })
      assert.deepEqual(await findStagedFiles(storageDirectory), [], 'swept')
      const digest = await pullImage(service.url, image)
      const key = `${level} ${image}`
      assert.equal(digest, digests.get(key) ?? digest, `${key} has changed in round ${round}`)
      digests.set(key, digest)
      assert.equal((await service.kill('SIGTERM')).exitCode, 0)
    }

    assert.deepEqual(await findStorageViolations(storageDirectory), [])
    assert.deepEqual(await readdir(join(storageDirectory, 'staging')), [])
    for (const level of levels) {
      await using service = await startRegistry({
        environment: environmentOf(level, join(scratch.path, 'fresh')),
      })
      for (const image of images) {
        const digest = digests.get(`${level} ${image}`)
        if (digest !== undefined) assert.equal(await pullImage(service.url, image), digest)
      }
    }
  },
)

async function crashDuringPull(
  environment: Readonly<Record<string, string>>,
  image: string,
  killMs: number,
): Promise<void> {
  await using service = await startRegistry({ environment })
  const pulled = tryPull(service.url, image).catch((error: unknown) => {
    // The connection broke, as was to be expected.
    if (!(error instanceof TypeError)) throw error
  })
  await delay(killMs)
  await service.kill('SIGKILL')
  await pulled
}
