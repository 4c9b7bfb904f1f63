import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import { startWeb } from '#test/fakes/web-server.ts'
import type { ImageViews } from './web-services.ts'

const layer = { digest: 'sha256:1', sizeBytes: 3, paths: [], sharedWith: [], sharedCount: 0 }

/** Views that say what they were asked for. */
function recordViews() {
  const asked: object[] = []
  const views: ImageViews = {
    async view(subject) {
      asked.push(subject)
      const { name, tag, platform = 'linux/amd64' } = subject
      const facts = { name, tag, platform, platforms: [platform], revision: 'r1' }
      const view = { ...facts, digest: 'sha256:1', sizeBytes: 3, layers: [layer] }
      return { kind: 'viewed', view: { ...view, sharing: 'known' } }
    },
    async viewAddition(subject) {
      asked.push(subject)
      return { kind: 'viewed', view: { name: `${subject.name}/${subject.add}`, status: 'unknown' } }
    },
  }
  return { asked, views }
}

test('/image shows what is asked for', async (context) => {
  const { asked, views } = recordViews()
  const { send } = await startWeb(context, { services: { views } })
  const { status, body } = await send('GET', '/api/v1/image?name=shell/git&platform=linux/arm64')
  assert.deepEqual([status, (JSON.parse(body) as { name: string }).name], [200, 'shell/git'])
  await send('GET', '/api/v1/image?name=shell/git&tag=r1')
  await send('GET', '/api/v1/image/addition?name=shell&add=git/htop&tag=r1')
  assert.deepEqual(asked, [
    { name: 'shell/git', tag: 'latest', platform: 'linux/arm64' },
    { name: 'shell/git', tag: 'r1' },
    { name: 'shell', tag: 'r1', add: 'git/htop' },
  ])
})

test('/image takes nothing that no client could pull', async (context) => {
  const { asked, views } = recordViews()
  const { send } = await startWeb(context, { services: { views } })
  for (const query of [
    'name=',
    'name=../etc',
    'name=Git',
    'name=git&tag=a/b',
    `name=git&platform=${'x'.repeat(51)}`,
    `name=${'x'.repeat(300)}`,
    '',
  ])
    assert.equal((await send('GET', `/api/v1/image?${query}`)).status, 400, query)
  for (const query of ['name=git', 'name=git&add=', 'name=git&add=a//b', 'name=git&add=<script>'])
    assert.equal((await send('GET', `/api/v1/image/addition?${query}`)).status, 400, query)
  assert.deepEqual(asked, [])
})

test('/image refuses as a pull does, and is busy as a pull is', async (context) => {
  const message = 'say why'
  const failure = { kind: 'closure-too-large', sizeBytes: 2, mostBytes: 1 } as const
  const outcomes = [
    [400, { kind: 'invalid-name', message }],
    [403, { kind: 'denied', message }],
    [403, { kind: 'forbidden-tag', message }],
    [404, { kind: 'unknown-tag', message }],
    [404, { kind: 'not-stored', message }],
    [403, { kind: 'failed', failure }],
  ] as const
  const { views } = recordViews()
  for (const [status, outcome] of outcomes) {
    const refusing = { ...views, viewAddition: async () => outcome }
    const { send } = await startWeb(context, { services: { views: refusing } })
    const answer = await send('GET', '/api/v1/image/addition?name=git&add=jq')
    assert.equal(answer.status, status, outcome.kind)
    const { detail } = JSON.parse(answer.body) as { readonly detail: string }
    if (outcome.kind === 'failed') assert.match(detail, /larger|at most|bytes|B/)
    else assert.equal(detail, message)
  }
  const busy = {
    ...views,
    viewAddition: async () => {
      throw new OperatingError('OVERLOADED', 'later')
    },
  }
  const { send } = await startWeb(context, { services: { views: busy } })
  const { status, headers } = await send('GET', '/api/v1/image/addition?name=git&add=jq')
  assert.deepEqual([status, headers['retry-after']], [503, '15'])
})
