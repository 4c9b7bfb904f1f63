import assert from 'node:assert/strict'
import { systemClock } from '#adapters/time/system-clock.ts'
import type { ImageView } from '#core/api/image-view.ts'
import { createLayerSharing } from '#engine/image-view/layer-sharing.ts'
import { viewImage, type ViewTools } from '#engine/image-view/view-image.ts'
import type { Storage } from '#engine/ports/storage.ts'

/** What a new instance shows of a stored image once it knows which layers are shared. */
export async function viewCounted(
  tools: Omit<ViewTools, 'sharing'> & Pick<Storage, 'entries' | 'upkeep'>,
  name: string,
  signal: AbortSignal,
): Promise<ImageView> {
  const sharing = createLayerSharing({
    ...tools,
    nowMs: () => performance.now(),
    clock: systemClock,
    onFailure: (error) => assert.fail(String(error)),
  })
  // A busy machine may take longer to count than people wait.
  for (;;) {
    const outcome = await viewImage({ ...tools, sharing }, { name, tag: 'latest' }, signal)
    assert.ok(outcome.kind === 'viewed', JSON.stringify(outcome))
    if (outcome.view.sharing === 'known') return outcome.view
  }
}
