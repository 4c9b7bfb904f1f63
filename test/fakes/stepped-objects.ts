import type { ObjectStore } from '#adapters/storage/object-store.ts'

/** A process whose calls of the storage wait for their turn. */
export interface SteppedProcess {
  readonly objects: ObjectStore
  /** Lets the call through that has waited longest; false when none waits. */
  step(): Promise<boolean>
}

/** The storage as one process sees it whose every call happens when a test says so. */
export function stepObjects(objects: ObjectStore): SteppedProcess {
  const waiting: (() => void)[] = []
  const turn = () => new Promise<void>((resolve) => waiting.push(resolve))
  return {
    objects: {
      ...objects,
      async stat(...call) {
        await turn()
        return objects.stat(...call)
      },
      async read(...call) {
        await turn()
        return objects.read(...call)
      },
      async put(...call) {
        await turn()
        return objects.put(...call)
      },
      async putFirst(...call) {
        await turn()
        return objects.putFirst(...call)
      },
      async touch(...call) {
        await turn()
        return objects.touch(...call)
      },
      async remove(...call) {
        await turn()
        return objects.remove(...call)
      },
      async *list(...call) {
        await turn()
        yield* objects.list(...call)
      },
      async upload(...call) {
        const upload = await objects.upload(...call)
        return {
          ...upload,
          async publish(key) {
            await turn()
            await upload.publish(key)
          },
        }
      },
    },
    async step() {
      // Memory answers at once, so all that can run has run by then.
      await new Promise((resolve) => setImmediate(resolve))
      const next = waiting.shift()
      next?.()
      return next !== undefined
    },
  }
}
