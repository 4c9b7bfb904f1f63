import { useState } from 'preact/hooks'
import { isUnknown } from '../api/request-json.ts'
import type { OwnOrder } from '../api/use-order.ts'
import { printable } from '../page/printable.ts'

export function CancelOrder({ order }: { readonly order: OwnOrder }) {
  const [state, setState] = useState({ waits: false, problem: '' })
  async function cancel(): Promise<void> {
    setState({ waits: true, problem: '' })
    try {
      await order.cancel()
    } catch (error) {
      setState({ waits: false, problem: describeProblem(error) })
    }
  }
  if (order.placed?.order.status === 'cancelled')
    return (
      <p class="hint">
        You have cancelled this. A build that others wait for goes on, and one that nobody waits for
        ends soon.
      </p>
    )
  return (
    <p class="actions">
      <button type="button" disabled={state.waits} onClick={() => void cancel()}>
        Cancel
      </button>
      <span role="alert" class="bad">
        {printable(state.problem)}
      </span>
    </p>
  )
}

function describeProblem(error: unknown): string {
  if (isUnknown(error)) return 'The order is over: there is nothing to cancel any more.'
  return error instanceof Error ? error.message : String(error)
}
