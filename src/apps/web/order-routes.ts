import type { OrderRequest } from '#core/api/image-order.ts'
import { parseRoute } from '#core/oci/route.ts'
import { abortable } from '#engine/abortable.ts'
import type { Placement } from '#engine/image-orders.ts'
import { json, problem, type ApiAnswer } from './api-answer.ts'
import { mostBodyBytes } from '../registry/receive-body.ts'
import type { ApiRoute, Call } from './api-route.ts'
import { orderRequest } from './api-schemas.ts'
import { isSameOrigin } from './same-origin.ts'

// Finding out that nothing has to be built takes less, and the first build has its id after that.
const firstBuildMs = 10_000

// Long enough that an order has ended, short enough that a person waits for it.
const retryAfterSeconds = 15

const unknownOrder = {
  about: 'No such order: a restart of the service forgets all, and only the last 500 are kept.',
}

/** Routes for builds without a pull. */
export const orderRoutes: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: '/orders',
    summary: 'Have an image built, without pulling it',
    about:
      'Starts the builds of a name, or joins those that run. Answers when the first build has an id, or when there is nothing to build, at most after ten seconds.',
    body: 'OrderRequest',
    answers: {
      201: { about: 'The order, and the token that cancels it.', schema: 'PlacedOrder' },
      400: { about: 'The body is no order, or the name or tag is none that can be pulled.' },
      403: { about: 'The request comes from a page of another site.' },
      413: { about: 'The body has more than 4 KiB.' },
      415: { about: 'The body is not said to be application/json.' },
      503: { about: 'Too many orders wait; `Retry-After` says when to come back.' },
    },
    answer: place,
  },
  {
    method: 'GET',
    path: '/orders/{id}',
    summary: 'What has become of an order',
    answers: { 200: { about: 'As it is now.', schema: 'ImageOrder' }, 404: unknownOrder },
    answer: ({ services, id }) => {
      const order = services.orders.find(id)
      return order === undefined ? unknown(id) : json(order)
    },
  },
  {
    method: 'DELETE',
    path: '/orders/{id}',
    summary: 'Give an order up',
    about:
      'Its builds end, unless somebody else waits for them. One that has ended stays as it is.',
    token: 'needed',
    answers: {
      200: { about: 'The order as it is now.', schema: 'ImageOrder' },
      401: { about: 'There is no token.' },
      403: { about: 'The token is that of another order, or a page of another site asks.' },
      404: unknownOrder,
    },
    answer: cancel,
  },
]

async function place(call: Call): Promise<ApiAnswer> {
  const { exchange, services } = call
  if (!isSameOrigin(exchange.request.headers)) return foreign()
  const read = await readOrder(call)
  if ('kind' in read) return read
  services.ending.throwIfAborted()
  const placement = services.orders.place(read)
  if (placement.kind === 'too-many')
    return problem(503, 'too many orders wait: order again later', {
      'Retry-After': retryAfterSeconds,
    })
  await firstBuild(call, placement)
  const { token } = placement
  const order = services.orders.find(placement.order.id) ?? placement.order
  const headers = { Location: `/api/v1/orders/${order.id}` }
  return { kind: 'json', status: 201, value: { order, token }, headers }
}

/** An order whose token nobody has got could never be cancelled: it is given up with its client. */
async function firstBuild(
  { exchange, services, clock }: Call,
  { order, token }: Extract<Placement, { readonly kind: 'placed' }>,
): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const stop = clock.after(firstBuildMs, resolve)
  try {
    await abortable(Promise.race([services.orders.begun(order.id), late]), exchange.signal)
  } catch (error) {
    services.orders.cancel(order.id, token)
    throw error
  } finally {
    stop()
  }
}

function cancel({ exchange, services, token, id }: Call): ApiAnswer {
  if (!isSameOrigin(exchange.request.headers)) return foreign()
  if (token === undefined)
    return problem(401, 'send the token that placing the order gave', {
      'WWW-Authenticate': 'Bearer',
    })
  const cancellation = services.orders.cancel(id, token)
  switch (cancellation.kind) {
    case 'ended':
      return json(cancellation.order)
    case 'unknown':
      return unknown(id)
    case 'forbidden':
      return problem(403, 'the token is not that of the order')
  }
}

/** An order that the registry would take as a pull, or what is wrong with it. */
async function readOrder({ exchange }: Call): Promise<OrderRequest | ApiAnswer> {
  const contentType = exchange.request.headers['content-type'] ?? ''
  // Browsers let forms of other sites send other types without asking.
  if (!/^application\/json\s*(;|$)/i.test(contentType))
    return problem(415, 'send the order as application/json')
  const received = await exchange.body
  if (received?.kind === 'too-large')
    return problem(413, `an order has at most ${mostBodyBytes} bytes`)
  const parsed = orderRequest.safeParse(
    received?.kind === 'whole' ? parseJson(received.text) : undefined,
  )
  if (!parsed.success)
    return problem(400, 'an order is a JSON object with a name, and a tag where one is wanted')
  const wrong = findWrongName(parsed.data)
  return wrong === undefined ? parsed.data : problem(400, wrong)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What the registry would say to a pull of it. */
function findWrongName({ name, tag = 'latest' }: OrderRequest): string | undefined {
  // Half a character, which JSON can hold, has no place in a URL.
  if (!`${name} ${tag}`.isWellFormed()) return 'an order takes names and tags of whole characters'
  const path = name.split('/').map(encodeURIComponent).join('/')
  const route = parseRoute(`/v2/${path}/manifests/${encodeURIComponent(tag)}`)
  if (route.kind === 'malformed') return route.message
  const isTag = route.kind === 'manifest' && route.reference.kind === 'tag'
  return isTag ? undefined : 'an order takes a repository name and a tag, no digest'
}

function foreign(): ApiAnswer {
  return problem(403, 'the request comes from a page of another site')
}

function unknown(id: string): ApiAnswer {
  return problem(404, `no order ${id} is known: the service forgets orders when it restarts`)
}
