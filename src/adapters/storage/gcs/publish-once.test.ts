import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatingError } from '#engine/operating-error.ts'
import type { GcsGeneration } from './object-resource.ts'
import { publishOnce } from './publish-once.ts'

const key = 'layers/a'
const sizeBytes = 10

/** What is there, as a bucket with conditions has it. */
class Slot {
  stored: GcsGeneration | undefined
  readonly tries: string[] = []

  constructor(storedBytes?: number) {
    if (storedBytes !== undefined) this.stored = { generation: '7', sizeBytes: storedBytes }
  }

  find = async () => this.stored

  write = async (ifGeneration: string) => {
    this.tries.push(ifGeneration)
    if (ifGeneration !== (this.stored?.generation ?? '0')) return undefined
    return (this.stored = { generation: `${ifGeneration}1`, sizeBytes })
  }
}

for (const [name, slot, tries] of [
  ['nothing', new Slot(), ['0']],
  ['an object of the same size', new Slot(sizeBytes), ['0']],
  ['an object of another size', new Slot(3), ['0', '7']],
] as const)
  test(`publishOnce() where there is ${name}`, async () => {
    await publishOnce({ key, sizeBytes, looksFirst: false, write: slot.write, find: slot.find })
    assert.deepEqual(slot.tries, tries)
    assert.equal(slot.stored?.sizeBytes, sizeBytes)
  })

test('publishOnce() where the object goes away again', async () => {
  const slot = new Slot(3)
  const find = async () => (slot.stored = undefined)
  await publishOnce({ key, sizeBytes, looksFirst: false, write: slot.write, find })
  assert.deepEqual(slot.tries, ['0', '0'])
})

test('publishOnce() gives up where others replace the object all the time', async () => {
  let generation = 1
  const find = async () => ({ generation: String(generation++), sizeBytes: 3 })
  await assert.rejects(
    publishOnce({ key, sizeBytes, looksFirst: false, write: async () => undefined, find }),
    {
      code: 'STORAGE_BUSY',
    },
  )
})

test('publishOnce() that looks first writes nothing where there is the object', async () => {
  const slot = new Slot(sizeBytes)
  const { write, find } = slot
  await publishOnce({ key, sizeBytes, looksFirst: true, write, find })
  assert.deepEqual(slot.tries, [])
})

test('publishOnce() that looks first replaces what is damaged at once', async () => {
  const slot = new Slot(3)
  const { write, find } = slot
  await publishOnce({ key, sizeBytes, looksFirst: true, write, find })
  assert.deepEqual(slot.tries, ['7'])
})

test('publishOnce() looks again when the connection breaks', async () => {
  const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
  const write = () =>
    Promise.reject(new OperatingError('STORAGE_BUSY', 'cannot write', { cause: broken }))
  const { find } = new Slot(sizeBytes)
  await publishOnce({ key, sizeBytes, looksFirst: false, write, find })
  for (const { find } of [new Slot(), new Slot(3)])
    await assert.rejects(publishOnce({ key, sizeBytes, looksFirst: false, write, find }), {
      cause: broken,
    })
})
