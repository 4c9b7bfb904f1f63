import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { commandPath } from '#test/clients/availability.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'

/** Chromium as Debian has it. */
export const browserCommands = ['chromium'] as const

/** Pictures of what tests saw; the repository does not keep them. */
export const pictureDirectory = join(import.meta.dirname, '..', 'artefacts', 'browser')

export type WatchedPage = AsyncDisposable & {
  readonly page: Page
  /** Errors of the console, of scripts and of the policy so far; nothing in a good page. */
  readonly faults: readonly string[]
  /** Also of another phone or theme: `compose-dark.png` in the directory of pictures. */
  readonly takePicture: (name: string) => Promise<void>
}

export type TestBrowser = AsyncDisposable & {
  /** A page of somebody who was never here before. */
  openPage(baseUrl: string, options?: PageOptions): Promise<WatchedPage>
}

export interface PageOptions {
  /** Statuses of refusals that the test expects; browsers log them as errors. */
  readonly refusals?: readonly number[]
  readonly colorScheme?: 'light' | 'dark'
  readonly width?: number
}

// Waits for what the page shows end here, unless a test knows that it takes longer. The page itself waits
// up to 15 s before it asks a service again, and a busy machine takes seconds for a picture.
const patienceMs = 60_000

export async function startBrowser(): Promise<TestBrowser> {
  const home = await makeScratchDirectory()
  await mkdir(pictureDirectory, { recursive: true })
  const browser = await chromium.launch({
    executablePath: findBrowser(),
    // A sandbox needs another user than root, and these pages are our own.
    args: ['--no-sandbox'],
    env: { ...process.env, HOME: home.path, PATH: commandPath },
  })
  return {
    openPage: (baseUrl, options = {}) => openPage(browser, baseUrl, options),
    async [Symbol.asyncDispose]() {
      await browser.close()
      await home[Symbol.asyncDispose]()
    },
  }
}

function findBrowser(): string {
  const paths = commandPath.split(delimiter).map((folder) => join(folder, browserCommands[0]))
  return paths.find(existsSync) ?? assert.fail('chromium is not there')
}

async function openPage(
  browser: Browser,
  baseURL: string,
  { refusals = [], colorScheme = 'light', width = 1280 }: PageOptions,
): Promise<WatchedPage> {
  const context: BrowserContext = await browser.newContext({
    baseURL,
    colorScheme,
    viewport: { width, height: width < 500 ? 740 : 900 },
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  context.setDefaultTimeout(patienceMs)
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('console', (message) => {
    const text = message.text()
    const isRefusal = refusals.some((status) =>
      text.includes(`the server responded with a status of ${status} `),
    )
    if (['error', 'warning'].includes(message.type()) && !isRefusal) faults.push(text)
  })
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`policy: ${violatedDirective} ${blockedURI}`),
    )
  })
  return {
    page,
    faults,
    takePicture: async (name) =>
      void (await page.screenshot({ path: join(pictureDirectory, `${name}.png`), fullPage: true })),
    [Symbol.asyncDispose]: () => context.close(),
  }
}
