import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { mostKeptBytes } from '#apps/web/send-site-file.ts'
import { outputOf, runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { openIndex } from '../../site/browser/section-search.ts'
import { navigation } from '../../site/navigation.ts'

const root = join(import.meta.dirname, '..', '..')

suite('the site of docs/', () => {
  const resources = new AsyncDisposableStack()
  const pages = new Map<string, string>()
  let output: string

  before(async () => {
    output = join(resources.use(await makeScratchDirectory()).path, 'docs')
    const node = { run: (args: readonly string[]) => runCommand(process.execPath, args) }
    await outputOf(node, [
      join(root, 'node_modules', '@11ty', 'eleventy', 'cmd.cjs'),
      '--config=site/eleventy.config.js',
      `--output=${output}`,
      '--quiet',
    ])
    for (const name of readdirSync(output, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.html')) pages.set(name, readFileSync(join(output, name), 'utf8'))
    }
  })
  after(() => resources.disposeAsync())

  test('has every page once in its navigation', () => {
    const written = readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => name.replace(/\.md$/, ''))
    assert.deepEqual(navigation.flatMap((section) => section.pages).toSorted(), written.toSorted())
    const expected = [...written, '404'].map((name) => `${name}.html`)
    assert.deepEqual([...pages.keys()].toSorted(), expected.toSorted())
  })

  test('gives every page a title of its own and one heading of the first level', () => {
    const titles = [...pages].map(([name, html]) => {
      const [title] = [...html.matchAll(/<title>([^<]+)<\/title>/g)].map((match) => match[1]!)
      assert.ok(title, name)
      assert.equal(html.match(/<h1/g)?.length, 1, name)
      const isMarked = html.includes('aria-current="page"')
      assert.equal(isMarked, name !== '404.html', `${name} in the navigation`)
      return title
    })
    assert.equal(new Set(titles).size, titles.length)
  })

  test('leads nowhere that does not exist', () => {
    const broken = [...pages].flatMap(([name, html]) =>
      [...html.matchAll(/ (?:href|src)="([^"]*)"/g)]
        .map((match) => match[1]!)
        .filter((address) => !isThere(name, address))
        .map((address) => `${name}: ${address}`),
    )
    assert.deepEqual(broken, [])
  })

  test('works under a policy without inline code, styles and foreign hosts', () => {
    for (const [name, html] of pages) {
      const tags = html.match(/<[a-z][^>]*>/g) ?? []
      for (const tag of tags) {
        assert.doesNotMatch(tag, /^<(style|iframe|object|embed)\b/, name)
        assert.doesNotMatch(tag, /^<script\b(?! type="module" src="\/docs\/main\.js")/, name)
        assert.doesNotMatch(tag, / (style|on[a-z]+)=/, name)
        assert.doesNotMatch(tag, / src="(https?:)?\/\//, name)
        assert.doesNotMatch(tag, /^<link[^>]* href="(https?:)?\/\//, name)
      }
    }
    assert.doesNotMatch(readFileSync(join(output, 'style.css'), 'utf8'), /@import|url\(/)
  })

  test('can be searched from the heading down', () => {
    const index = readFileSync(join(output, 'search.json'), 'utf8')
    assert.ok(Buffer.byteLength(index) <= mostKeptBytes, 'the service would not compress the index')
    const search = openIndex(index)
    const [best] = search('quarantine damage')
    assert.equal(best?.address, 'storage.html#damage')
    assert.deepEqual([best.page, best.heading], ['Storage', 'Damage'])
    assert.ok(search('nixery').some(({ address }) => address === 'index.html'))
    const broken = search('nixery').filter(({ address }) => !isThere('index.html', address))
    assert.deepEqual(broken, [])
    assert.deepEqual(search('leads nowhere in the documentation').filter(isNotFound), [])
  })

  test('shows no mark of the source', () => {
    for (const [name, html] of pages) assert.doesNotMatch(html, /&lt;!--|<!--/, name)
  })

  function isNotFound({ address }: { readonly address: string }): boolean {
    return address.startsWith('404')
  }

  function isThere(page: string, address: string): boolean {
    // The page of the service, which is above the documentation.
    if (address === '/') return true
    const base = 'http://registry/docs/'
    const { href, hash, pathname } = new URL(address, `${base}${page}`)
    if (!href.startsWith(base)) return /^https?:\/\/.*\./.test(address)
    const target = pathname === '/docs/' ? 'index.html' : pathname.slice('/docs/'.length)
    if (hash === '') return existsSync(join(output, target))
    return pages.get(target)?.includes(` id="${hash.slice(1)}"`) === true
  }
})
