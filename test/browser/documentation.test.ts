import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { browserCommands, startBrowser, type TestBrowser } from './browser.ts'
import { findBarriers } from './find-barriers.ts'

const site = join(import.meta.dirname, '..', '..', 'dist', 'docs')
// One of each kind: lists, commands, wide tables, pictures, examples. All take minutes.
const names = ['index', 'quick-start', 'configuration', 'layering', 'nix-language']

suite('the documentation in a browser', { skip: skipUnless(browserCommands) }, () => {
  const resources = new AsyncDisposableStack()
  let browser: TestBrowser
  let address: string

  before(async () => {
    const server = resources.use(await serveSite())
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    browser = resources.use(await startBrowser())
  })
  after(() => resources.disposeAsync())

  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 360],
  ] as const) {
    test(`pages are fit to read: ${colorScheme}, ${width} pixels wide`, async () => {
      await using watched = await browser.openPage(address, { colorScheme, width })
      const { page, faults } = watched
      for (const name of names) {
        await page.goto(`/docs/${name}.html`)
        assert.deepEqual(await findBarriers(page), [], name)
        const overflow = 'document.documentElement.scrollWidth - innerWidth'
        assert.equal(await page.evaluate(overflow), 0, `${name} is wider than the window`)
      }
      assert.deepEqual(faults, [])
    })
  }

  test('the keyboard leads to the text and to the pages', async () => {
    await using watched = await browser.openPage(address, { width: 360 })
    const { page } = watched
    await page.goto('/docs/storage.html')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate('document.activeElement.id'), 'text')
    await page.getByText('Pages', { exact: true }).press('Enter')
    await page.getByRole('link', { name: 'Naming' }).first().press('Enter')
    await page.waitForURL('**/docs/naming.html')
  })
})

/** The built site, under the policy that the documentation promises to work with. */
async function serveSite(): Promise<Server> {
  const server = createServer((request, response) => void sendFile(request, response))
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  return server
}

async function sendFile({ url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = join(site, url.slice('/docs/'.length))
  if (!existsSync(path)) return void response.writeHead(404).end()
  response.setHeader('Content-Security-Policy', "default-src 'self'")
  response.setHeader('Content-Type', contentTypes.get(extname(path)) ?? '')
  response.end(await readFile(path))
}

const contentTypes = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
])
