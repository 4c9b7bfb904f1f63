import { useEffect, useState } from 'preact/hooks'
import type { PlacedOrder } from '#core/api/image-order.ts'
import { isUnknown } from './request-json.ts'
import { cancelOrder, findOrderOf, refreshOrder } from './placed-orders.ts'

// The builds themselves are followed at once; this only finds those of more platforms.
const pollMs = 3_000

export interface OwnOrder {
  readonly placed: PlacedOrder | undefined
  /** Fails with what people can read. */
  cancel(): Promise<void>
}

/** The order of a build, kept current while it waits; `undefined` when somebody else placed it. */
export function useOrder(buildId: string): OwnOrder {
  const [placed, setPlaced] = useState(() => findOrderOf(buildId))
  const waits = placed?.order.status === 'waiting'
  useEffect(() => {
    if (!waits || placed === undefined) return
    const timer = setInterval(() => {
      refreshOrder(placed).then(setPlaced, (error: unknown) => {
        // Else it is asked again soon; the page says itself when the service cannot be reached.
        if (isUnknown(error)) clearInterval(timer)
      })
    }, pollMs)
    return () => clearInterval(timer)
  }, [waits])
  return {
    placed,
    async cancel() {
      if (placed !== undefined) setPlaced(await cancelOrder(placed))
    },
  }
}
