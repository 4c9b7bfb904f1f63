import assert from 'node:assert/strict'
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { startWeb } from '#test/fakes/web-server.ts'

const html = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const script = `console.log('${'page '.repeat(1000)}')\n`

/** A page, documentation, and files of an operator, below one directory that holds a secret. */
async function startPages(context: TestContext, { own = false, missing = false } = {}) {
  const scratch = await makeScratchDirectory()
  context.after(() => scratch[Symbol.asyncDispose]())
  const at = (...parts: readonly string[]) => join(scratch.path, ...parts)
  const write = async (path: string, content: string | Buffer) => {
    await mkdir(join(at(path), '..'), { recursive: true })
    await writeFile(at(path), content)
  }
  await write('secret.txt', 'secret')
  await write('web/index.html', '<!doctype html><title>page</title>')
  await write('web/assets/index-Ab3_d-9x.js', script)
  await write('web/icon.svg', '<svg/>')
  await write('docs/index.html', 'docs')
  await write('docs/layering/index.html', 'layering')
  await write('docs/404.html', 'no such page of docs')
  await write('own/index.html', 'own page')
  await write('own/a b.txt', 'spaced')
  await write('own/.env', 'secret')
  await write('own/large.bin', Buffer.alloc(600_000, 7))
  await symlink(at('secret.txt'), at('own/link.txt'))
  await symlink(at(), at('own/up'))
  await symlink('index.html', at('own/inside.html'))
  await symlink('nowhere', at('own/dangling'))
  let nowMs = 0
  const web = await startWeb(context, {
    pages: {
      pageDirectory: at(missing ? 'none' : 'web'),
      docsDirectory: at(missing ? 'none' : 'docs'),
      ownDirectory: own ? at(missing ? 'none' : 'own') : undefined,
      nowMs: () => nowMs,
    },
  })
  return { ...web, at, write, pass: (ms: number) => (nowMs += ms) }
}

test('browsers get the page, and everybody else what the registry says', async (context) => {
  const { send } = await startPages(context)
  for (const path of ['/', '/?q=1', '/builds', '/builds/', '/builds/0123456789ab', '/images/a/b']) {
    const page = await send('GET', path, html)
    assert.equal(page.status, 200, path)
    assert.match(page.body, /<title>page/)
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(page.headers['cache-control'], 'no-cache')
    const other = await send('GET', path)
    assert.deepEqual([other.status, /container registry/.test(other.body)], [404, true], path)
  }
})

test('browsers get a page for addresses that lead nowhere, and everybody else what the registry says', async (context) => {
  const { send } = await startPages(context)
  for (const [path, text] of [
    ['/x', /<title>page/],
    ['/images', /<title>page/],
    ['/images/', /<title>page/],
    ['/v1/', /<title>page/],
    ['/assets/', /<title>page/],
    ['/index.htm', /<title>page/],
    ['/docs/x', /no such page of docs/],
    ['/docs/x/y.html', /no such page of docs/],
  ] as const) {
    const page = await send('GET', path, html)
    assert.deepEqual([page.status, page.headers['content-type']], [404, 'text/html; charset=utf-8'])
    assert.match(page.body, text, path)
    assert.match(String(page.headers['content-security-policy']), /^default-src 'none'/)
    const again = await send('GET', path, { ...html, 'If-None-Match': page.headers.etag })
    assert.deepEqual([again.status, again.body], [404, page.body], path)
    const head = await send('HEAD', path, html)
    assert.deepEqual([head.status, head.body], [404, ''])
    for (const other of [await send('GET', path), await send('POST', path, html)]) {
      assert.equal(other.status, 404)
      assert.match(other.body, /container registry/)
    }
  }
})

test('browsers get no page for addresses of the registry', async (context) => {
  for (const own of [false, true]) {
    const { send, write } = await startPages(context, { own })
    await write('own/v2/x', 'own file')
    for (const path of ['/v2/x', '/v2/nope', '/v2/shell/nope/']) {
      const answer = await send('GET', path, html)
      assert.deepEqual([answer.status, answer.headers['content-type']], [404, 'application/json'])
      assert.match(answer.body, /container registry/, path)
    }
  }
})

test('pages have headers that let them load only what is theirs', async (context) => {
  const { send } = await startPages(context)
  for (const path of ['/', '/assets/index-Ab3_d-9x.js', '/icon.svg', '/docs/']) {
    const { headers } = await send('GET', path, html)
    assert.match(
      String(headers['content-security-policy']),
      /^default-src 'none'; script-src 'self';/,
    )
    assert.deepEqual(
      [
        headers['x-content-type-options'],
        headers['referrer-policy'],
        headers['cross-origin-opener-policy'],
      ],
      ['nosniff', 'no-referrer', 'same-origin'],
      path,
    )
  }
})

test('text is sent compressed to those who take it, and once to those who have it', async (context) => {
  const { open, send } = await startPages(context)
  const path = '/assets/index-Ab3_d-9x.js'
  const decode = { br: brotliDecompressSync, gzip: gunzipSync }
  for (const [accepted, encoding] of [
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['br;q=0, gzip;q=0.5', 'gzip'],
  ] as const) {
    const response = await open('GET', path, { 'Accept-Encoding': accepted })
    const bytes = Buffer.concat(await response.toArray())
    assert.equal(response.headers['content-encoding'], encoding)
    assert.ok(bytes.length < script.length / 10)
    assert.equal(decode[encoding](bytes).toString(), script)
    const { etag } = response.headers
    const again = await send('GET', path, { 'Accept-Encoding': accepted, 'If-None-Match': etag })
    assert.deepEqual([again.status, again.body], [304, ''])
  }
  const plain = await send('GET', path)
  assert.equal(plain.body, script)
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.match(String(plain.headers['cache-control']), /immutable/)
  const head = await send('HEAD', path)
  assert.deepEqual(
    [head.status, head.body, head.headers['content-length']],
    [200, '', String(script.length)],
  )
})

test('the documentation has a directory of its own', async (context) => {
  const { send } = await startPages(context)
  const moved = await send('GET', '/docs')
  assert.deepEqual([moved.status, moved.headers.location], [308, '/docs/'])
  assert.equal((await send('GET', '/docs/')).body, 'docs')
  assert.equal((await send('GET', '/docs/layering/')).body, 'layering')
  assert.equal((await send('GET', '/docs/layering')).status, 404)
})

test('pages that are not built say how to build them', async (context) => {
  const { send } = await startPages(context, { missing: true })
  for (const path of ['/', '/builds', '/docs/', '/docs/x']) {
    const answer = await send('GET', path, html)
    assert.equal(answer.status, 404)
    assert.match(answer.body, /npm run build/)
    assert.match(String(answer.headers['content-type']), /^text\/plain/)
  }
  assert.match((await send('GET', '/icon.svg', html)).body, /container registry/)
})

test('an operator’s own files stand for the page, and nothing beside them is sent', async (context) => {
  const { send } = await startPages(context, { own: true })
  for (const headers of [html, {}]) {
    const page = await send('GET', '/', headers)
    assert.deepEqual([page.status, page.body], [200, 'own page'])
    assert.equal(page.headers['content-security-policy'], undefined)
    assert.equal(page.headers['x-content-type-options'], 'nosniff')
  }
  assert.equal((await send('GET', '/a%20b.txt')).body, 'spaced')
  assert.equal((await send('GET', '/inside.html')).body, 'own page')
  assert.equal((await send('GET', '/docs/')).body, 'docs')
  assert.equal((await send('POST', '/a%20b.txt')).status, 405)
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/up/secret.txt',
    '/link.txt',
    '/dangling',
    '/.env',
    '/%2eenv',
    '//index.html',
    '/./index.html',
    '/a%20b.txt%00',
    '/%ff',
    '/builds',
  ]) {
    const answer = await send('GET', path, html)
    assert.equal(answer.status, 404, path)
    assert.ok(!answer.body.includes('secret\n') && answer.body.includes('container registry'))
  }
  assert.match((await send('GET', '/docs/x', html)).body, /no such page of docs/)
})

test('large files are sent from the disk, and known again by size and time', async (context) => {
  const { open, send } = await startPages(context, { own: true })
  const response = await open('GET', '/large.bin', { 'Accept-Encoding': 'br' })
  const bytes = Buffer.concat(await response.toArray())
  assert.deepEqual(bytes, Buffer.alloc(600_000, 7))
  const { etag } = response.headers
  assert.equal((await send('GET', '/large.bin', { 'If-None-Match': etag })).status, 304)
  const head = await send('HEAD', '/large.bin')
  assert.deepEqual([head.headers['content-length'], head.body], ['600000', ''])
})

test('files that come, change and go are seen within seconds', async (context) => {
  const { send, at, write, pass, failures } = await startPages(context, { own: true })
  assert.equal((await send('GET', '/')).body, 'own page')
  await write('own/index.html', 'changed page')
  assert.equal((await send('GET', '/')).body, 'changed page')
  await rm(at('own/a b.txt'))
  assert.equal((await send('GET', '/a%20b.txt')).status, 404)
  await write('own/new.txt', 'new')
  assert.equal((await send('GET', '/new.txt')).status, 404)
  pass(3000)
  assert.equal((await send('GET', '/new.txt')).body, 'new')
  assert.deepEqual(failures, [])
})

test('an operator’s directory that does not exist is 404', async (context) => {
  const { send } = await startPages(context, { own: true, missing: true })
  assert.equal((await send('GET', '/', html)).status, 404)
})

test('what the service may not read of an operator’s directory keeps nothing else back', async (context) => {
  const { send, at, write } = await startPages(context, { own: true })
  await write('own/lost+found/page.html', 'lost')
  await symlink(at('own/lost+found/page.html'), at('own/lost.html'))
  await chmod(at('own/lost+found'), 0)
  await chmod(at(), 0o755)
  const becomeSelf = becomeAnybody()
  try {
    assert.equal((await send('GET', '/')).body, 'own page')
    assert.equal((await send('GET', '/lost.html')).status, 404)
    assert.equal((await send('GET', '/lost+found/page.html')).status, 404)
  } finally {
    becomeSelf()
    await chmod(at('own/lost+found'), 0o700)
  }
})

/** Root may read everything. Gives what makes the process itself again. */
function becomeAnybody(): () => void {
  const own = process.geteuid?.()
  if (own !== 0) return () => {}
  process.seteuid?.(65_534)
  return () => process.seteuid?.(own)
}
