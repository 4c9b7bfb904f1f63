import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseAuthChallenge, type AuthChallenge } from './auth-challenge.ts'
import type { RegistryLogin } from './stored-logins.ts'

/** A registry that refuses, or does not answer; the message says what to do. */
export class RegistryRefusal extends Error {
  override readonly name = 'RegistryRefusal'
  /** Of HTTP; `undefined` when there was no answer. */
  readonly status: number | undefined

  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export interface RegistryCall {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Opened again when the registry wants a login first. */
  readonly body?: () => Promise<Readable> | Uint8Array
}

export interface SessionOptions {
  /** As people call it, and as its logins are kept. */
  readonly host: string
  /** Where it answers: `https://registry.example`. Logins go there, and where it says that tokens are. */
  readonly origin: string
  readonly repository: string
  readonly login: RegistryLogin | undefined
}

// A registry that says nothing for so long is none; uploads are watched by their bytes.
const answerMs = 60_000

/** Calls of one registry about one repository, with what it wants to be shown. */
export class RegistrySession {
  readonly #options: SessionOptions
  #authorization: string | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Logs in when the registry asks for it, once; its other answers are the caller's. */
  async call(call: RegistryCall, signal: AbortSignal): Promise<Response> {
    const response = await this.#send(call, signal)
    // Whom a registry sends its clients on to must not ask for their logins.
    const isAsked = response.status === 401 && this.#isRegistry(response.url)
    if (!isAsked) return response
    await response.body?.cancel()
    const challenge = parseAuthChallenge(response.headers.get('www-authenticate') ?? '')
    this.#authorization = await this.#authorize(challenge, signal)
    return this.#send(call, signal)
  }

  async #send(
    { method, url, headers, body }: RegistryCall,
    signal: AbortSignal,
  ): Promise<Response> {
    const content = await body?.()
    const isStream = content !== undefined && !(content instanceof Uint8Array)
    const deadline = isStream ? [] : [AbortSignal.timeout(answerMs)]
    const authorization = this.#authorizationFor(url)
    try {
      return await fetch(url, {
        method,
        headers: { ...headers, ...(authorization && { Authorization: authorization }) },
        signal: AbortSignal.any([signal, ...deadline]),
        ...(content !== undefined && { body: content as NonNullable<RequestInit['body']> }),
        ...(isStream && { duplex: 'half' as const }),
      })
    } catch (cause) {
      if (isStream) content.destroy()
      signal.throwIfAborted()
      throw unreachable(url, cause)
    }
  }

  /** An upload may be sent elsewhere, where nobody must see a login. */
  #authorizationFor(url: URL): string | undefined {
    return this.#isRegistry(url) ? this.#authorization : undefined
  }

  #isRegistry(url: URL | string): boolean {
    return new URL(url).origin === this.#options.origin
  }

  async #authorize(challenge: AuthChallenge | undefined, signal: AbortSignal): Promise<string> {
    const { host, login } = this.#options
    if (challenge === undefined)
      throw new RegistryRefusal(`${host} wants a login of a kind that is unknown here`, 401)
    if (challenge.kind === 'bearer') return `Bearer ${await this.#fetchToken(challenge, signal)}`
    if (login?.kind !== 'password')
      throw new RegistryRefusal(`${host} wants a login: docker login ${host}`, 401)
    return basic(login)
  }

  /** Distribution's token specification: GET with the login, or POST with a token that renews itself. */
  async #fetchToken(
    { realm, service, scope }: AuthChallenge & { readonly kind: 'bearer' },
    signal: AbortSignal,
  ): Promise<string> {
    const { host, origin, repository, login } = this.#options
    if (login !== undefined && origin.startsWith('https:') && !realm.startsWith('https:'))
      throw new RegistryRefusal(`${host} wants its login to be sent without TLS`, 401)
    const wanted = new URLSearchParams({
      ...(service !== undefined && { service }),
      scope: scope ?? `repository:${repository}:pull,push`,
    })
    const response = await this.#askForToken(realm, wanted, signal)
    if (!response.ok)
      throw new RegistryRefusal(
        `${host} gives no token for ${repository} (${response.status}): docker login ${host}`,
        response.status,
      )
    const answer = tokenSchema.safeParse(parseJson(await readSome(response)))
    const token = answer.data?.token ?? answer.data?.access_token
    if (token === undefined) throw new RegistryRefusal(`${host} gives no token`, response.status)
    return token
  }

  async #askForToken(
    realm: string,
    wanted: URLSearchParams,
    signal: AbortSignal,
  ): Promise<Response> {
    const { host, login } = this.#options
    const [url, init] = tokenCall(realm, wanted, login)
    const until = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
    try {
      return await fetch(url, { ...init, signal: until })
    } catch (cause) {
      signal.throwIfAborted()
      throw new RegistryRefusal(
        `${host}: its token server ${new URL(realm).host} cannot be reached`,
        undefined,
        { cause },
      )
    }
  }
}

/** Where and how a token is asked for with a login, if there is one. */
function tokenCall(
  realm: string,
  wanted: URLSearchParams,
  login: RegistryLogin | undefined,
): readonly [url: string, init: RequestInit] {
  if (login?.kind === 'identity-token') {
    const body = new URLSearchParams([
      ...wanted,
      ['grant_type', 'refresh_token'],
      ['client_id', 'nixery'],
      ['refresh_token', login.token],
    ])
    // A body goes along with a redirect to anywhere.
    return [realm, { method: 'POST', redirect: 'error', body }]
  }
  const url = `${realm}${realm.includes('?') ? '&' : '?'}${wanted.toString()}`
  return [url, { headers: login === undefined ? {} : { Authorization: basic(login) } }]
}

/** OpenSSL's words for an answer without TLS take a line and say nothing. */
function unreachable({ host }: URL, cause: unknown): RegistryRefusal {
  const { cause: reason } = cause as Error
  const lacksTls =
    reason instanceof Error && 'code' in reason && reason.code === 'ERR_SSL_WRONG_VERSION_NUMBER'
  return lacksTls
    ? new RegistryRefusal(`${host} answers without TLS: --insecure reaches it so`)
    : new RegistryRefusal(`${host} cannot be reached`, undefined, { cause })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The schema refuses it like everything else that is no token.
    return undefined
  }
}

// Registries answer with some hundred bytes, tokens have some thousand; something else may answer with a page.
const mostAnswerBytes = 64 * 1024

/** An answer as text, or its beginning. */
export async function readSome(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > mostAnswerBytes) break
    }
  } catch (cause) {
    if (!isBrokenOff(cause)) throw cause
    const { host } = new URL(response.url)
    throw new RegistryRefusal(`${host} broke off its answer`, undefined, { cause })
  }
  return text
}

/** What fetch throws for a connection that ends early, or takes longer than its deadline; not for a signal. */
function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')
  )
}

const tokenSchema = z.object({ token: z.string().optional(), access_token: z.string().optional() })

function basic({ user, password }: RegistryLogin & { readonly kind: 'password' }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** Docker Hub answers elsewhere than its name says. */
export function apiHost(host: string): string {
  return host === 'docker.io' || host === 'index.docker.io' ? 'registry-1.docker.io' : host
}
