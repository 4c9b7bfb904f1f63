import type { Problem } from '#core/api/service-info.ts'

/** The service refused, or could not be reached (status 0). The message says what to do. */
export class RequestFailure extends Error {
  override readonly name = 'RequestFailure'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Whether the service knows nothing of what it was asked for, as after a restart. */
export function isUnknown(error: unknown): boolean {
  return error instanceof RequestFailure && error.status === 404
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly body?: unknown
  readonly token?: string | undefined
}

// The slowest answer is that of an order, 10 s.
const timeoutMs = 30_000

/** Asks the service for JSON of its API. @throws {RequestFailure} */
export async function requestJson<T>(
  address: string,
  { method = 'GET', body, token }: RequestOptions = {},
  signal?: AbortSignal,
): Promise<T> {
  const response = await request(address, {
    method,
    headers: {
      accept: 'application/json',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
  })
  return (await response.json()) as T
}

/** `fetch` that fails with what people can read. @throws {RequestFailure} */
export async function request(address: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(address, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new RequestFailure(0, 'The service does not answer. Is it running, and are you online?')
  }
  if (!response.ok) throw await readProblem(response)
  return response
}

async function readProblem(response: Response): Promise<RequestFailure> {
  const usual = `The service answered with status ${response.status}.`
  try {
    const { detail, title } = (await response.json()) as Partial<Problem>
    return new RequestFailure(response.status, detail ?? title ?? usual)
  } catch {
    // What stands before the service, such as a proxy, answers in other forms.
    return new RequestFailure(response.status, usual)
  }
}
