import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { startWeb } from '#test/fakes/web-server.ts'
import { browserCommands, startBrowser, type TestBrowser } from './browser.ts'
import { findBarriers } from './find-barriers.ts'

const dist = join(import.meta.dirname, '..', '..', 'dist')
// One of each kind: lists, commands, wide tables, pictures, examples. All take minutes.
const names = ['index', 'quick-start', 'configuration', 'layering', 'nix-language']

suite('the documentation in a browser', { skip: skipUnless(browserCommands) }, () => {
  const resources = new AsyncDisposableStack()
  let browser: TestBrowser

  before(async () => void (browser = resources.use(await startBrowser())))
  after(() => resources.disposeAsync())

  /** The built pages, as the service sends them. */
  async function openPage(
    context: TestContext,
    options: Parameters<TestBrowser['openPage']>[1] = {},
  ) {
    const { port } = await startWeb(context, {
      pages: {
        pageDirectory: join(dist, 'web'),
        docsDirectory: join(dist, 'docs'),
        ownDirectory: undefined,
        nowMs: Date.now,
      },
    })
    return browser.openPage(`http://127.0.0.1:${port}`, options)
  }

  for (const [colorScheme, width] of [
    ['light', 1280],
    ['dark', 360],
  ] as const) {
    test(`pages are fit to read: ${colorScheme}, ${width} pixels wide`, async (context) => {
      await using watched = await openPage(context, { colorScheme, width })
      const { page, faults, takePicture } = watched
      for (const name of names) {
        await page.goto(`/docs/${name}.html`)
        assert.deepEqual(await findBarriers(page), [], name)
        const overflow = 'document.documentElement.scrollWidth - innerWidth'
        assert.equal(await page.evaluate(overflow), 0, `${name} is wider than the window`)
      }
      await takePicture(`docs-${colorScheme}`)
      assert.deepEqual(faults, [])
    })

    test(`a search is fit to read: ${colorScheme}, ${width} pixels wide`, async (context) => {
      await using watched = await openPage(context, { colorScheme, width })
      const { page, faults, takePicture } = watched
      await page.goto('/docs/')
      await page.getByRole('searchbox').fill('garbage')
      await page
        .getByRole('link', { name: /^Garbage collection/ })
        .first()
        .waitFor()
      await takePicture(`docs-search-${colorScheme}`)
      assert.deepEqual(await findBarriers(page), [])
      assert.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
      assert.deepEqual(faults, [])
    })
  }

  test('the keyboard leads to the text and to the pages', async (context) => {
    await using watched = await openPage(context, { width: 360 })
    const { page } = watched
    await page.goto('/docs/storage.html')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.locator('#text:focus').waitFor()
    await page.getByText('Pages', { exact: true }).press('Enter')
    await page.getByRole('link', { name: 'Naming' }).first().press('Enter')
    await page.waitForURL('**/docs/naming.html')
  })

  test('the keyboard searches, and nothing is loaded for that before', async (context) => {
    await using watched = await openPage(context)
    const { page, faults } = watched
    const asked: string[] = []
    page.on('request', (request) => void asked.push(new URL(request.url()).pathname))
    await page.goto('/docs/naming.html')
    await page.getByRole('search').waitFor()
    const isForSearch = (path: string) => /search/.test(path)
    assert.deepEqual(asked.filter(isForSearch), [])

    await page.keyboard.press('/')
    await page.keyboard.type('NIXERY_PIN_TTL')
    const status = page.getByRole('status')
    await page.waitForFunction(() =>
      /section/.test(document.querySelector('[role=status]')!.textContent),
    )
    assert.equal(asked.filter(isForSearch).length, 2)
    assert.match(await page.locator('.found mark').first().innerText(), /^NIXERY_PIN_TTL$/)

    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    const second = page.locator('.found a').nth(1)
    assert.ok(await second.evaluate((link) => link === document.activeElement))
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('ArrowUp')
    assert.equal(await page.evaluate('document.activeElement.value'), 'NIXERY_PIN_TTL')
    await page.keyboard.press('Escape')
    assert.equal(await page.locator('.found a').count(), 0)
    assert.equal(await page.evaluate('document.activeElement.value'), '')

    await page.keyboard.type('xyzzyq')
    await page.getByText('Nothing found').waitFor()
    assert.equal(await status.innerText(), 'Nothing found')
    await page.keyboard.press('Escape')
    await page.keyboard.type('quarantine damage')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/docs/storage.html#damage')

    // On the page that is there already.
    await page.keyboard.press('/')
    await page.keyboard.type('how clients get layers')
    await page.locator('.found a').first().waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL('**/docs/storage.html#how-clients-get-layers')
    assert.equal(await page.locator('.found a').count(), 0)
    assert.deepEqual(faults, [])
  })

  test('results go when somebody turns to the page, and not before', async (context) => {
    await using watched = await openPage(context)
    const { page } = watched
    await page.goto('/docs/naming.html')
    const field = page.getByRole('searchbox')
    const results = page.locator('.found a')
    await field.fill('garbage')
    await results.first().waitFor()
    await page.locator('.found p').first().click()
    assert.notEqual(await results.count(), 0)
    await page.getByRole('heading', { level: 1 }).click({ position: { x: 5, y: 5 } })
    assert.equal(await results.count(), 0)
    await field.focus()
    await results.first().waitFor()
    await page.getByLabel('Colours').focus()
    assert.equal(await results.count(), 0)
  })

  test('without scripts there is no search, and all else', async (context) => {
    await using watched = await openPage(context)
    const { page } = watched
    await page.route('**/*.js', (route) => route.abort())
    await page.goto('/docs/naming.html')
    assert.equal(await page.getByRole('searchbox').isVisible(), false)
    assert.equal(await page.getByText('Colours').isVisible(), false)
    await page.getByRole('heading', { name: 'Meta-packages' }).waitFor()
  })

  test('colours that are chosen here or on the page hold for both', async (context) => {
    await using watched = await openPage(context, { colorScheme: 'light', refusals: [404] })
    const { page, faults } = watched
    const paper = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    await page.goto('/')
    const choice = page.getByLabel('Colours')
    const light = await paper()
    await choice.selectOption('dark')
    const dark = await paper()
    assert.notEqual(dark, light)

    await page.getByRole('link', { name: 'Documentation' }).first().click()
    await page.waitForURL('**/docs/')
    assert.equal(await paper(), dark)
    assert.equal(await choice.inputValue(), 'dark')
    await choice.selectOption('light')
    assert.equal(await paper(), light)

    await page.goBack()
    await page.getByRole('heading', { level: 1 }).waitFor()
    assert.equal(await paper(), light)
    // A page that the browser has kept draws the choice when it is shown, a moment later.
    await choice.and(page.locator(':has(option[value="light"]:checked)')).waitFor()
    assert.deepEqual(faults, [])
  })

  test('addresses that lead nowhere have their page without the search too', async (context) => {
    await using watched = await openPage(context, { refusals: [404] })
    const { page, faults } = watched
    await page.route('**/search.json*', (route) => route.fulfill({ status: 404 }))
    const asked = page.waitForResponse(/search\.json/)
    await page.goto('/docs/layerings.html')
    await asked
    await page.waitForLoadState('networkidle')
    await page.getByRole('link', { name: 'The page of this service' }).waitFor()
    assert.deepEqual(faults, [])
  })

  test('addresses that lead nowhere have a page with a way on', async (context) => {
    await using watched = await openPage(context, { refusals: [404], width: 1280 })
    const { page, faults, takePicture } = watched
    const missing = await page.goto('/docs/how-to/layerings.html')
    assert.equal(missing?.status(), 404)
    await page.getByRole('main').getByRole('link', { name: 'Layering' }).waitFor()
    await takePicture('docs-not-found')
    assert.deepEqual(await findBarriers(page), [])
    await page.getByRole('main').getByRole('link', { name: 'Layering' }).click()
    await page.waitForURL('**/docs/layering.html')
    await page.goto('/docs/how-to/layerings.html')
    await page.getByRole('link', { name: 'The page of this service' }).click()
    await page.waitForURL((url) => url.pathname === '/')

    assert.equal((await page.goto('/nonsense'))?.status(), 404)
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor()
    await takePicture('page-not-found')
    await page.getByRole('main').getByRole('link', { name: 'documentation' }).click()
    await page.waitForURL('**/docs/')
    assert.equal((await page.request.get('/favicon.ico')).status(), 200)
    assert.deepEqual(faults, [])
  })
})
