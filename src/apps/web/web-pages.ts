import type { Exchange, Headers } from '../registry/response.ts'
import { SiteDirectory, type SiteFiles } from './site-directory.ts'
import { SiteSender } from './send-site-file.ts'

export interface WebPagesOptions {
  /** Where `npm run build` puts the page. */
  readonly pageDirectory: string
  /** Where `npm run build` puts the documentation. */
  readonly docsDirectory: string
  /** The operator's own files, instead of the page. */
  readonly ownDirectory: string | undefined
  readonly nowMs: () => number
}

/** Scripts and styles of the service only; nobody frames its pages, and they tell nobody of each other. */
const pageHeaders: Headers = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

// Vite puts a digest of the content into the names of what it makes.
const namedForContent = /^assets\/.*-[\w-]{8}\.\w+$/

/** Places of the page that only its script tells apart. */
const placeOfPage = /^(?:builds(?:\/|$)|images\/.)/

/** What the documentation says of an address that it does not have. */
const docsNotFound = '404.html'

/**
 * Sends the page, the documentation or the operator's own files; false for what is none of them. Browsers get a
 * page for that too, with status 404, but for the operator's own files.
 */
export function createWebPages(options: WebPagesOptions): (exchange: Exchange) => Promise<boolean> {
  const { pageDirectory, docsDirectory, ownDirectory, nowMs } = options
  const sender = new SiteSender()
  const docs = new SiteDirectory(docsDirectory, nowMs)
  const main = new SiteDirectory(ownDirectory ?? pageDirectory, nowMs)

  /** Sends what is there; false when it is not, or no longer. */
  async function sendFound(exchange: Exchange, found: FoundFile | undefined, headers: Headers) {
    if (found === undefined) return false
    if (isRead(exchange)) return sender.send(exchange, found.path, headers)
    sendText(exchange, 405, 'only GET and HEAD work here')
    return true
  }

  /** Sends what is there, and else what tells a browser that it is not. */
  async function sendPage(exchange: Exchange, files: SiteFiles, asked: string, notFound: string) {
    const found = findFile(files, asked)
    const keeps = found !== undefined && namedForContent.test(found.name)
    const caching = keeps ? 'public, max-age=31536000, immutable' : 'no-cache'
    const headers = { ...pageHeaders, 'Cache-Control': caching }
    if (await sendFound(exchange, found, headers)) return true
    const page = files.get(notFound)
    if (page === undefined || !readsPages(exchange) || !isRead(exchange)) return false
    return sender.send(exchange, page, headers, 404)
  }

  async function answerDocs(exchange: Exchange): Promise<boolean> {
    if (exchange.path === '/docs') {
      exchange.response.writeHead(308, { Location: '/docs/', 'Content-Length': 0 }).end()
      return true
    }
    const files = await docs.files()
    if (files === undefined) return sendUnbuilt(exchange, 'documentation')
    return sendPage(exchange, files, exchange.path.slice('/docs/'.length), docsNotFound)
  }

  async function answerMain(exchange: Exchange): Promise<boolean> {
    const files = await main.files()
    const asked = exchange.path.slice(1)
    if (ownDirectory !== undefined)
      return sendFound(exchange, files && findFile(files, asked), { 'Cache-Control': 'no-cache' })
    const isPlace = asked === '' || placeOfPage.test(asked)
    // Whoever looks for a registry at `/` is told what this is.
    if (isPlace && !readsPages(exchange)) return false
    if (files === undefined) return isPlace && sendUnbuilt(exchange, 'page')
    // Its script shows for what places there is nothing.
    return sendPage(exchange, files, isPlace ? '' : asked, 'index.html')
  }

  return async (exchange) => {
    // Browsers too are told what the registry says of its own addresses.
    if (isBelow(exchange.path, '/v2')) return false
    return isBelow(exchange.path, '/docs') ? answerDocs(exchange) : answerMain(exchange)
  }
}

function isBelow(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`)
}

interface FoundFile {
  readonly name: string
  readonly path: string
}

/** The file that a URL path means; of a directory its `index.html`. */
function findFile(files: SiteFiles, urlPath: string): FoundFile | undefined {
  const decoded = decodePath(urlPath)
  if (decoded === undefined) return undefined
  const name = decoded === '' || decoded.endsWith('/') ? `${decoded}index.html` : decoded
  const path = files.get(name)
  return path === undefined ? undefined : { name, path }
}

function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

function isRead({ request }: Exchange): boolean {
  return request.method === 'GET' || request.method === 'HEAD'
}

function readsPages({ request }: Exchange): boolean {
  return request.headers.accept?.includes('text/html') === true
}

function sendUnbuilt(exchange: Exchange, what: string): true {
  sendText(exchange, 404, `the ${what} is not built yet: run npm run build`)
  return true
}

function sendText({ request, response }: Exchange, status: number, text: string): void {
  const body = `${text}\n`
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Content-Type-Options': 'nosniff',
    ...pageHeaders,
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
