import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { after, before, suite, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { RegistryProcess } from '#test/anomaly/registry-process.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { dockerdCommands, startDockerd } from '#test/clients/dockerd.ts'
import { browserCommands, startBrowser, type PageOptions, type TestBrowser } from './browser.ts'
import { openLine } from './cuttable-line.ts'
import { findBarriers } from './find-barriers.ts'
import { startNixery } from '#test/clients/nixery-server.ts'
import { siteCommands, startPageSite } from './page-site.ts'

const root = join(import.meta.dirname, '..', '..')
// Building, packing and the grace of a busy machine.
const buildMs = 120_000
const docsPictures = join(root, 'docs', 'pictures')
const budgetBytes = 100_000

suite('the page', { skip: skipUnless([...browserCommands, ...siteCommands]) }, () => {
  const resources = new AsyncDisposableStack()
  let browser: TestBrowser
  let service: RegistryProcess

  before(async () => {
    assert.ok(existsSync(join(root, 'dist', 'web')), 'dist/web is not built: npm run build')
    service = resources.use(await startPageSite({ NIXERY_BUILD_GRACE: '1' }))
    browser = resources.use(await startBrowser())
  })
  after(() => resources.disposeAsync())

  const open = (options?: PageOptions) => browser.openPage(service.url, options)

  test(
    'leads from a search by keyboard to a build that a hanging docker pull waits for',
    { skip: skipUnless(dockerdCommands, { root: true }) },
    async () => {
      await using docker = await startDockerd()
      await using opened = await open()
      const { page, faults, takePicture } = opened
      const { host } = new URL(service.url)

      await page.goto('/')
      await composeByKeyboard(page, 'slow')
      const command = page.getByRole('tabpanel')
      await command.getByText(`docker pull ${host}/slow`).waitFor()
      await page.waitForURL(({ search }) => search === '?shell=off&packages=slow')
      let pullIsOver = false
      const pull = docker.run(['pull', `${host}/slow`]).finally(() => (pullIsOver = true))

      await tabTo(page, 'Build it now')
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/builds\/[0-9a-f]{12}$/)
      await page.getByText('slow-1.0> step 2 of 10').waitFor()
      assert.equal(pullIsOver, false)

      await page.reload()
      await page.getByText('slow-1.0> step 1 of 10').waitFor()
      await page.getByText('slow-1.0> step 5 of 10').waitFor()
      assert.equal(pullIsOver, false)
      // Only now: a busy machine takes as long for it as for the rest of the build.
      await takePicture('build-light')
      await page.getByRole('heading', { name: 'The image is ready' }).waitFor({ timeout: buildMs })
      const { exitCode, stderr } = await pull
      assert.equal(exitCode, 0, stderr)

      await page.getByRole('link', { name: 'Look into the image' }).click()
      await page.getByRole('heading', { name: 'Image slow' }).waitFor()
      await page.locator('h1:focus').waitFor()
      await page.getByRole('button', { name: /slow-1\.0/ }).click()
      await page.getByText('No other stored image has this layer').waitFor()
      await page.getByRole('button', { name: /Show all/ }).click()
      await page.getByRole('region', { name: 'Store paths' }).getByText('slow-1.0').click()
      await page.getByRole('heading', { name: 'Needs (0)' }).waitFor()
      await takePicture('opened-image-light')

      const addition = page.getByRole('combobox', { name: /one more package/ })
      await addition.fill('quick')
      await page.keyboard.press('Enter')
      await page.getByText('quick is not on the service’s machine yet').waitFor()
      await command.getByText(`docker pull ${host}/slow/quick`).waitFor()
      await addition.fill('slow')
      await page.keyboard.press('Enter')
      await page.getByText('slow is in the image already').waitFor()
      assert.equal(await page.getByText('quick is not on').count(), 0)
      assert.deepEqual(faults, [])
    },
  )

  test('shows why a build has failed, and text of strangers as text', async () => {
    await using opened = await open()
    const { page, faults, takePicture } = opened
    await page.goto('/?shell=off&packages=hostile')
    await page.getByRole('combobox', { name: 'Search packages' }).fill('hostile')
    await page.getByRole('option', { name: /<img src=x onerror/ }).waitFor()
    await page.getByRole('button', { name: 'Build it now' }).click()
    await page.getByRole('heading', { name: 'The build has failed' }).waitFor({ timeout: buildMs })
    const log = page.getByRole('region', { name: 'Log of the builders' })
    await log.getByText('the last words of the builder').waitFor()
    const text = (await log.textContent()) ?? ''
    assert.ok(text.includes('before <img src=x onerror="window.hurt=1"> after'))
    assert.ok(text.includes('</pre><script>window.hurt=2</script>'))
    assert.ok(!text.includes('\u202e') && !text.includes('\u001b'))
    await takePicture('failure-light')
    await findNothingHurt(page)

    await page.goto('/builds')
    await page.getByRole('switch', { name: 'Failures only' }).check()
    await page.getByRole('link', { name: 'hostile' }).first().click()
    await page.getByRole('heading', { name: 'The build has failed' }).waitFor()
    assert.deepEqual(faults, [])
  })

  test('shows a build of somebody else without its log, from the id in the error of a pull', async () => {
    const answer = await fetch(`${service.url}/v2/hostile/manifests/latest`)
    const message = await answer.text()
    const [id] = /\b[0-9a-f]{12}\b/.exec(message) ?? []
    assert.ok(id !== undefined && message.includes('the last words of the builder'), message)
    await using opened = await open()
    const { page, faults } = opened
    await page.goto(`/builds/${id}`)
    await page.getByRole('heading', { name: 'The build has failed' }).waitFor()
    await page.getByText('NIXERY_WEB=status').waitFor()
    assert.equal(await page.getByRole('region', { name: 'Log of the builders' }).count(), 0)
    assert.equal(await page.getByText('the last words').count(), 0)
    assert.deepEqual(faults, [])
  })

  test('takes hostile addresses for text', async () => {
    await using opened = await open({ refusals: [400, 404] })
    const { page, faults } = opened
    const markup = '<img src=x onerror=window.hurt=3>'
    for (const path of [
      `/images/${encodeURIComponent(markup)}`,
      `/builds/${encodeURIComponent(markup)}`,
      `/?packages=${encodeURIComponent(markup)}&source=${encodeURIComponent(markup)}&tag=<b>`,
      '/images/%E2%80%AE',
      `/images/${'long-'.repeat(400)}x`,
    ]) {
      await page.goto(path)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await findNothingHurt(page)
    }
    assert.deepEqual(faults, [])
  })

  test('says why there is no image to look at, and where to go on', async () => {
    await using opened = await open({ refusals: [404] })
    const { page, faults } = opened
    const compose = page.getByRole('link', { name: 'Compose this image' })
    await page.goto('/images/never/pulled')
    await page.getByText('never/pulled:latest is not stored here').waitFor()
    assert.equal(await compose.getAttribute('href'), '/?shell=off&packages=never+pulled')
    await page.goto('/images/quick?tag=no-such-branch')
    await page.getByText('no-such-branch').nth(1).waitFor()
    const latest = page.getByRole('link', { name: 'Look at it as latest' })
    assert.equal(await latest.getAttribute('class'), 'button')
    await latest.click()
    await page.waitForURL('/images/quick')
    await page.goto('/images/quick?platform=linux%2Farm64')
    await page.getByRole('link', { name: 'Look at it for any platform' }).waitFor()
    await page.goto('/images/Capital//slashes')
    await page.getByText('No image can have this name').waitFor()
    await page.goto('/images/quick?tag=v1%2Fbeta')
    await page.getByText('No image can have this tag').waitFor()
    assert.deepEqual(faults, [])
  })

  test('says that no build can have an id, and leads to the builds', async () => {
    await using opened = await open()
    const { page, faults } = opened
    await page.goto('/builds/xyz')
    await page.getByText('the id of a build is 12 digits of 0–9 and a–f').waitFor()
    await page.getByRole('link', { name: 'Builds that the service knows' }).click()
    await page.waitForURL('/builds')
    assert.deepEqual(faults, [])
  })

  test('orders nothing else than what was asked for', async () => {
    await using opened = await open()
    const { page, faults, takePicture } = opened
    const build = page.getByRole('button', { name: 'Build it now' })
    const tag = page.getByRole('textbox', { name: 'Tag' })
    const search = page.getByRole('combobox', { name: 'Search packages' })

    await page.goto(`/?packages=${'x'.repeat(300)}+<script>+quick&tag=v1/beta`)
    await page.getByRole('button', { name: 'Remove quick' }).waitFor()
    await page.getByRole('alert').filter({ hasText: 'Left out' }).getByText('<script>').waitFor()
    await page.getByRole('alert').filter({ hasText: 'This is no tag' }).waitFor()
    assert.equal(await tag.inputValue(), 'v1/beta')
    assert.equal(await build.isDisabled(), true)
    assert.equal(await page.getByRole('button', { name: 'Copy' }).count(), 0)
    await takePicture('refused-light')
    assert.deepEqual(await findBarriers(page), [])
    await tag.fill('v1')
    assert.equal(await build.isDisabled(), false)
    await page.getByRole('tabpanel').getByText('/shell/quick:v1').waitFor()

    await search.fill('y'.repeat(300))
    await search.press('Enter')
    await page.getByText('cannot be part of an image name').waitFor()
    await search.fill('arm64')
    await search.press('Enter')
    await page.getByRole('tabpanel').getByText('/arm64/shell/quick:v1').waitFor()
    await search.fill('quick')
    await search.press('Enter')
    await page.getByText('quick is in the image already').waitFor()
    await search.fill('slwo')
    await page.getByText('Did you mean slow?').waitFor()
    await page.getByRole('option', { name: /^slow.*similar name/ }).click()
    await page.getByRole('tabpanel').getByText('/arm64/shell/quick/slow:v1').waitFor()
    assert.deepEqual(faults, [])
  })

  test('comes back to a build after an interruption, and cancels it', async () => {
    await using line = await openLine(service.url)
    await using opened = await browser.openPage(line.url)
    const { page, takePicture } = opened
    const banner = page.getByText('The connection to the service was lost')
    await page.goto('/?shell=off&packages=hangs')
    await page.getByRole('button', { name: 'Build it now' }).click()
    await page.waitForURL(/\/builds\//)
    await page.getByText('hangs-1.0> working on it').waitFor()
    line.cut()
    await banner.waitFor()
    await takePicture('interrupted-light')
    line.mend()
    await banner.waitFor({ state: 'detached' })
    await page.getByText('hangs-1.0> working on it').waitFor()

    // As a service answers that was restarted.
    const ofBuild = /\/api\/v1\/(builds|orders)\/[0-9a-f]{12}/
    await page.route(ofBuild, (route) => route.fulfill({ status: 404, json: { title: 'Unknown' } }))
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('The order is over').waitFor()
    line.cut()
    await banner.waitFor()
    line.mend()
    await page.getByText('The service was restarted and has forgotten this build').waitFor()
    await page.getByText('hangs-1.0> working on it').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Cancel' }).count(), 0)
    assert.equal(await page.locator('.badge.running, .steps > .current').count(), 0)
    await takePicture('forgotten-light')
    const again = page.getByRole('link', { name: /try again/ })
    assert.equal(await again.getAttribute('href'), '/?shell=off&packages=hangs')
    await page.unroute(ofBuild)
    await page.reload()

    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('heading', { name: 'The build ended early' }).waitFor({ timeout: buildMs })
  })

  test('shows again what the service could not be asked for a while', async () => {
    await using line = await openLine(service.url)
    await using opened = await browser.openPage(line.url)
    const { page } = opened
    const complaint = page.getByText('The service does not answer')
    await page.goto('/builds')
    await page.getByRole('link', { name: 'hostile' }).first().waitFor()
    line.cut()
    await complaint.waitFor()
    line.mend()
    await complaint.waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'hostile' }).first().waitFor()
  })

  test('copies the command', async () => {
    await using opened = await open()
    const { page, faults } = opened
    await page.goto('/?packages=quick')
    await page.getByRole('tab', { name: 'Docker' }).focus()
    await page.keyboard.press('ArrowRight')
    await page.getByRole('tab', { name: 'Run', selected: true }).waitFor()
    // It says so for some seconds.
    await Promise.all([
      page.getByRole('button', { name: 'Copied' }).waitFor(),
      page.getByRole('button', { name: 'Copy' }).click(),
    ])
    const { host } = new URL(service.url)
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    assert.equal(copied, `docker run --rm -it ${host}/shell/quick bash`)
    assert.deepEqual(faults, [])
  })

  test('has no barriers, in both themes, and fits a phone', async () => {
    const imagePath = '/images/crowd'
    const answer = await fetch(`${service.url}/v2/crowd/manifests/latest`)
    assert.equal(answer.status, 200, await answer.text())
    const { builds } = (await (await fetch(`${service.url}/api/v1/builds`)).json()) as {
      builds: { id: string; name: string; status: string }[]
    }
    const crowd = builds.find(({ name }) => name === 'crowd')!
    const failed = builds.find(({ status }) => status === 'failed')
    const views = {
      compose: '/?packages=git+python3packages.numpy',
      builds: '/builds',
      crowd: `/builds/${crowd.id}`,
      ...(failed && { failed: `/builds/${failed.id}` }),
      image: imagePath,
      unstored: '/images/never/pulled',
    }
    for (const colorScheme of ['light', 'dark'] as const) {
      await using opened = await open({ colorScheme, refusals: [404] })
      const { page, faults, takePicture } = opened
      for (const [view, path] of Object.entries(views)) {
        await page.setViewportSize({ width: 1280, height: 900 })
        await page.goto(path)
        await page.getByRole('heading', { level: 1 }).waitFor()
        await page.getByText('Loading …').first().waitFor({ state: 'detached' })
        assert.deepEqual(await findBarriers(page), [], `${view}, ${colorScheme}`)
        const layers = await page.getByRole('region', { name: 'Layers', exact: true }).count()
        assert.equal(layers, view === 'image' ? 1 : 0, `sections called Layers in ${view}`)
        await takePicture(`${view}-${colorScheme}`)
        await page.setViewportSize({ width: 360, height: 740 })
        await assertFits(page, `${view} on a phone`)
        if (colorScheme === 'light') await takePicture(`${view}-phone`)
      }
      assert.deepEqual(faults, [])
    }
  })

  test('draws the closure of an image when it is asked for', async () => {
    const answer = await fetch(`${service.url}/v2/crowd/manifests/latest`)
    assert.equal(answer.status, 200, await answer.text())
    for (const colorScheme of ['light', 'dark'] as const) {
      await using opened = await open({ colorScheme })
      const { page, faults, takePicture } = opened
      const nodes = page.locator('.node')
      await page.goto('/images/crowd')
      await page.getByRole('button', { name: 'Draw the graph' }).focus()
      await page.keyboard.press('Enter')
      await page
        .getByText(
          '30 are drawn: what the image has by its name, and the largest of the rest; 71 others',
        )
        .waitFor()
      assert.equal(await nodes.count(), 30)
      assert.deepEqual(await findBarriers(page), [], `the graph, ${colorScheme}`)

      // The frame, and then the node at the top.
      await tabTo(page, 'crowd-1.0, ')
      await page.keyboard.press('Tab')
      await page.getByText('needs 100 in all, needed by 0 in all. It is here by its name').waitFor()
      assert.deepEqual(await page.locator('.node.asked title').allTextContents(), [
        await page.locator('.node').filter({ hasText: 'crowd-1.0' }).locator('title').textContent(),
      ])
      assert.equal(await page.locator('.node.aside').count(), 0)
      await page.keyboard.press('Tab')
      assert.ok(await page.evaluate(() => document.activeElement?.closest('.frame') === null))
      await page.keyboard.press('Shift+Tab')
      await page.keyboard.press('ArrowDown')
      await page.getByText(/Why it is here: crowd-1\.0 → part-\d+$/).waitFor()
      assert.equal(await page.locator('.node.aside').count(), 28)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Needed by (1)' }).waitFor()
      await page.getByRole('combobox', { name: 'Colour' }).last().selectOption('by layer')
      await nodes
        .getByText(/^layer \d+$/)
        .first()
        .waitFor()
      await takePicture(`graph-${colorScheme}`)
      assert.deepEqual(await findBarriers(page), [], `a chosen node, ${colorScheme}`)

      await page.getByRole('button', { name: /Only around part-/ }).press('Enter')
      await page.getByText('All 2 store paths are drawn').waitFor()
      await page.locator(':focus').getByText('The whole image').press('Enter')
      await page.locator(':focus').getByText('Only around part-').waitFor()
      await page.getByRole('combobox', { name: 'Draw' }).selectOption('at most 120')
      await page.getByText('All 101 store paths are drawn').waitFor()
      await page.setViewportSize({ width: 360, height: 740 })
      await assertFits(page, 'the graph on a phone')
      await takePicture(`graph-phone-${colorScheme}`)
      assert.deepEqual(faults, [])
    }
  })

  test('moves the graph by mouse, wheel and keys', async () => {
    await using opened = await open()
    const { page, faults } = opened
    await page.goto('/images/crowd')
    await page.getByRole('button', { name: 'Draw the graph' }).click()
    const drawing = page.locator('.frame svg > g')
    const frame = page.getByRole('region', { name: 'The closure as a graph' })
    const lens = async () => {
      const transform = (await drawing.getAttribute('transform')) ?? ''
      return [...transform.matchAll(/-?[\d.]+/g)].map(Number)
    }
    // It has no size before that of the frame is known, and lies where it stays from then on.
    await frame.locator('svg').waitFor()
    await frame.scrollIntoViewIfNeeded()
    const [x, y, scale] = await lens()
    const box = (await frame.boundingBox())!
    // Far from all nodes.
    const [left, top] = [box.x + 20, box.y + box.height - 30]
    await page.mouse.move(left, top)
    await page.mouse.down()
    await page.mouse.move(left + 70, top - 40, { steps: 4 })
    await page.mouse.up()
    assert.deepEqual(await lens(), [x! + 70, y! - 40, scale])

    // Out of the frame before it has moved inside, and let go there.
    await page.mouse.move(box.x + 6, top)
    await page.mouse.down()
    await page.mouse.move(box.x - 6, top)
    const out = await lens()
    assert.deepEqual(out, [x! + 58, y! - 40, scale])
    await page.mouse.up()
    await page.mouse.move(left, top, { steps: 4 })
    assert.deepEqual(await lens(), out)
    // As outside the window, where nobody tells that the button is up.
    await page.evaluate(() => {
      const once = { capture: true, once: true }
      addEventListener('pointerup', (event) => event.stopPropagation(), once)
    })
    await page.mouse.down()
    await page.mouse.up()
    await page.mouse.move(left + 50, top, { steps: 4 })
    assert.deepEqual(await lens(), out)
    await page.keyboard.down('Control')
    await page.mouse.wheel(0, -200)
    await page.keyboard.up('Control')
    await drawing.and(page.locator(`:not([transform$="scale(${scale})"])`)).waitFor()
    await frame.focus()
    await page.keyboard.press('0')
    const whole = await lens()
    await page.keyboard.press('ArrowRight')
    assert.deepEqual(await lens(), [whole[0]! - 60, whole[1], whole[2]])
    await page.keyboard.press('+')
    assert.ok((await lens())[2]! > whole[2]!)
    await page.getByRole('button', { name: 'Whole' }).click()
    assert.deepEqual(await lens(), whole)
    assert.deepEqual(faults, [])
  })

  const skipPictures = process.env['WRITE_PICTURES'] === undefined && 'WRITE_PICTURES is not set'
  test('draws the picture of the README', { skip: skipPictures }, async () => {
    await using nixery = await startNixery()
    await using opened = await browser.openPage(`http://${nixery.address}`)
    const { page } = opened
    await page.goto('/?packages=git+htop')
    await page.getByRole('combobox', { name: 'Search packages' }).fill('python3 num')
    const results = page.getByRole('listbox', { name: 'Packages' }).getByRole('option')
    await results.first().waitFor({ timeout: buildMs })
    await mkdir(docsPictures, { recursive: true })
    await page.screenshot({ path: join(docsPictures, 'page.png') })
  })

  test('keeps the theme that somebody chose', async () => {
    await using opened = await open()
    const { page } = opened
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.goto('/')
    const light = await background()
    await page.getByRole('combobox', { name: 'Colours' }).selectOption('Dark')
    const dark = await background()
    assert.notEqual(dark, light)
    await page.reload()
    await page.getByRole('heading', { level: 1 }).waitFor()
    assert.equal(await background(), dark)
  })

  test('loads within its budget, and from nowhere else', async () => {
    await using opened = await open()
    const { page, faults } = opened
    const sizes = new Map<string, number>()
    const loads: Promise<void>[] = []
    page.on('response', (response) => {
      const load = async () =>
        void sizes.set(response.url(), gzipSync(await response.body()).length)
      loads.push(load())
    })
    await page.goto('/')
    await page.getByRole('heading', { name: 'Recent builds' }).waitFor()
    await page.waitForLoadState('networkidle')
    await Promise.all(loads)
    const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    assert.ok(sizes.size >= 3 && total < budgetBytes, `${total} bytes in ${sizes.size} requests`)
    assert.ok(![...sizes.keys()].some((url) => url.includes('closure-graph')), 'it comes on demand')
    const foreign = [...sizes.keys()].filter((url) => !url.startsWith(`${service.url}/`))
    assert.deepEqual(foreign, [])
    assert.deepEqual(faults, [])
  })
})

/** Types a name, takes it, and turns the shell off, without a mouse. */
async function composeByKeyboard(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1 }).waitFor()
  await tabTo(page, 'Search packages')
  await page.keyboard.type(name)
  await page.getByRole('option', { name }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: `Remove ${name}` }).waitFor()
  await tabTo(page, 'shell')
  await page.keyboard.press('Space')
}

/** Presses Tab until what is called so has the focus. */
async function tabTo(page: Page, name: string): Promise<void> {
  const most = 60
  for (let pressed = 0; pressed < most; pressed++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement | null
      const label = (element as HTMLInputElement | null)?.labels?.[0]
      return `${label?.textContent ?? ''} ${element?.textContent ?? ''}`
    })
    if (focused.includes(name)) return
  }
  assert.fail(`no Tab leads to ${name}`)
}

async function findNothingHurt(page: Page): Promise<void> {
  assert.equal(await page.evaluate(() => (window as { hurt?: unknown }).hurt), undefined)
  assert.equal(await page.locator('img[src=x]').count(), 0)
}

/** Drawings are drawn again a moment after the screen has another size. */
async function assertFits(page: Page, what: string): Promise<void> {
  const fits = () => document.documentElement.scrollWidth <= window.innerWidth
  await page.waitForFunction(fits, undefined, { timeout: 15_000 }).catch(() => {})
  assert.deepEqual(await widerThanScreen(page), [], what)
}

/** What reaches beyond the screen, and so makes the page scroll sideways. */
async function widerThanScreen(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    document.documentElement.scrollWidth <= window.innerWidth
      ? []
      : [...document.body.querySelectorAll('*')]
          .filter((element) => element.getBoundingClientRect().right > window.innerWidth)
          .map((element) => element.outerHTML.slice(0, 120)),
  )
}
