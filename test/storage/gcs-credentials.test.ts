import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test, type TestContext } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import golden from '#test/golden/gcs-v4-signatures.json' with { type: 'json' }
import { gcsEmulatorProgram } from './gcs-emulator.ts'
import { never, startGcsSite } from './gcs-site.ts'
import { layerType, storeBlob } from './object-site.ts'

const program = await gcsEmulatorProgram()

const noCredentials = /^it has no client_email and private_key, or another type of credentials/

describe(
  'credentials of Google Cloud Storage',
  { skip: 'skip' in program && program.skip },
  async () => {
    if ('skip' in program) return
    const site = await startGcsSite(program.path)
    after(() => site[Symbol.asyncDispose]())
    const scratch = await makeScratchDirectory()
    after(() => scratch[Symbol.asyncDispose]())

    const refusals: readonly (readonly [string, string | undefined, RegExp])[] = [
      ['are not there', undefined, /^ENOENT: /],
      ['are no JSON', 'no JSON', /^it is not JSON$/],
      ['are no object', '[]', noCredentials],
      ['are nothing', '{}', noCredentials],
      ['lack a key', '{"type": "service_account", "client_email": "a@b"}', noCredentials],
      ['have an odd key', '{"client_email": "a@b", "private_key": 1}', noCredentials],
      ['are of an unknown type', '{"type": "passport"}', noCredentials],
      [
        'cannot sign',
        JSON.stringify({ ...golden.key, private_key: 'torn' }),
        /^its key signs nothing \(.*DECODER.*\)$/,
      ],
    ]
    for (const [what, text, said] of refusals)
      test(`that ${what} end the start`, async (context) => {
        const path = join(scratch.path, `${what}.json`)
        if (text !== undefined) await writeFile(path, text)
        await refuseStart(context, path, said)
      })

    test('that are a directory end the start', (context) =>
      refuseStart(context, scratch.path, /^EISDIR: /))

    async function refuseStart(context: TestContext, path: string, said: RegExp): Promise<void> {
      useCredentials(context, path)
      const open = site.open(context, await site.makeBucket(), { credentialsFile: path })
      await assert.rejects(open, (error) => {
        assert.ok(error instanceof OperatingError, String(error))
        assert.equal(error.code, 'BUCKET_LOGIN')
        const [named, why = ''] = error.message.split(' cannot be used: ')
        assert.equal(named, `GOOGLE_APPLICATION_CREDENTIALS=${path}`)
        assert.match(why, said)
        return true
      })
    }

    test('without a key give public addresses', async (context) => {
      const bucket = await site.makeBucket()
      const credentialsFile = join(scratch.path, 'user.json')
      await writeFile(credentialsFile, '{"type": "authorized_user"}')
      const objects = await site.open(context, bucket, { credentialsFile })
      const url = await objects.locate!('layers/a', never)
      assert.equal(url.href, `${site.endpoint}/${bucket}/layers/a`)
    })

    test('with a key, or none at all, give addresses that work, also for parts', async (context) => {
      const bucket = await site.makeBucket()
      const credentialsFile = join(scratch.path, 'key.json')
      await writeFile(credentialsFile, JSON.stringify(golden.key))
      useCredentials(context, credentialsFile)
      for (const changes of [{}, { credentialsFile }]) {
        const objects = await site.open(context, bucket, changes)
        await storeBlob(objects, 'layers/a', Buffer.from('hello world'))
        const url = await objects.locate!('layers/a', never)
        assert.equal(url.origin, site.endpoint)
        assert.equal(url.pathname, `/${bucket}/layers/a`)
        assert.equal(
          url.searchParams.get('X-Goog-Expires'),
          'credentialsFile' in changes ? '60' : null,
        )
        const response = await fetch(url, { headers: { Range: 'bytes=4-6' } })
        assert.deepEqual([response.status, await response.text()], [206, 'o w'])
        assert.equal(response.headers.get('content-type'), layerType)
      }
    })
  },
)

/** Where Google's client looks for them, until the test ends. */
function useCredentials(context: TestContext, path: string): void {
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = path
  context.after(() => delete process.env['GOOGLE_APPLICATION_CREDENTIALS'])
}
