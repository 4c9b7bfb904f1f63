import type { ImageOrder, OrderRequest, PlacedOrder } from '#core/api/image-order.ts'
import { requestJson } from './request-json.ts'

/**
 * Orders that were placed in this tab. Their tokens cancel them and show the logs of their builds, so
 * they are kept where no other tab and no later session reads them.
 */

const storageKey = 'orders'
// Of one session; each is some hundred bytes.
const mostOrders = 20

/** Starts the builds of a name. @throws {RequestFailure} */
export async function placeOrder(body: OrderRequest): Promise<PlacedOrder> {
  const placed = await requestJson<PlacedOrder>('/api/v1/orders', { method: 'POST', body })
  keep(placed)
  return placed
}

/** The order that a build belongs to, if it was placed here. */
export function findOrderOf(buildId: string): PlacedOrder | undefined {
  return readOrders().find(({ order }) => order.builds.includes(buildId))
}

/** Asks how an order is doing: builds of more platforms come up as time goes on. @throws {RequestFailure} */
export async function refreshOrder({ order, token }: PlacedOrder): Promise<PlacedOrder> {
  const current = await requestJson<ImageOrder>(`/api/v1/orders/${order.id}`)
  return keep({ order: current, token })
}

/** @throws {RequestFailure} */
export async function cancelOrder({ order, token }: PlacedOrder): Promise<PlacedOrder> {
  const address = `/api/v1/orders/${order.id}`
  return keep({ order: await requestJson<ImageOrder>(address, { method: 'DELETE', token }), token })
}

function keep(placed: PlacedOrder): PlacedOrder {
  const others = readOrders().filter(({ order }) => order.id !== placed.order.id)
  try {
    sessionStorage.setItem(storageKey, JSON.stringify([placed, ...others].slice(0, mostOrders)))
  } catch {
    // Nothing is kept by this browser: the build goes on, only its log cannot be shown here.
  }
  return placed
}

function readOrders(): readonly PlacedOrder[] {
  try {
    return JSON.parse(sessionStorage.getItem(storageKey) ?? '[]') as readonly PlacedOrder[]
  } catch {
    return []
  }
}
