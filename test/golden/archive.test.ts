import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createWorkerPacker } from '#adapters/packing/worker-packer.ts'
import { parseStorePath, storePathBaseName } from '#core/nix/store-path.ts'
import type { LayerContent } from '#engine/ports/packer.ts'
import { measureTree } from '#test/archives/measure-tree.ts'

// Instances with different versions of the service share layers by diffID. When one of these
// changes, so does every stored layer: raise `layerFormat` in src/engine/pack-layer.ts with it.

const path = parseStorePath(`/nix/store/${'0'.repeat(32)}-hello-1.0`)!

test('pack() archives a store path as before', async (t) => {
  const storeDirectory = mkdtempSync(join(tmpdir(), 'golden-'))
  t.after(() => rmSync(storeDirectory, { recursive: true }))
  const top = join(storeDirectory, storePathBaseName(path))
  mkdirSync(join(top, 'bin'), { recursive: true })
  writeFileSync(join(top, 'bin/hello'), '#!/bin/sh\necho hello\n', { mode: 0o755 })
  writeFileSync(join(top, 'README'), 'Says hello.\n')
  symlinkSync('bin/hello', join(top, 'hi'))
  writeFileSync(join(top, 'n'.repeat(120)), '')
  assert.equal(
    await diffIdOf(
      { kind: 'store-paths', paths: [{ path, narSizeBytes: measureTree(top) }] },
      storeDirectory,
    ),
    'sha256:ff3708cb9b73b5cdc6fb16e835defb97a5b2f7a1664849d1b905167340485fb0',
  )
})

test('pack() archives entries in memory as before', async () => {
  const entries = [
    { kind: 'directory', path: 'etc', mode: 0o755 },
    { kind: 'file', path: 'etc/group', mode: 0o644, contents: Buffer.from('root:x:0:\n') },
    { kind: 'symlink', path: 'sh', target: `${path}/bin/hello` },
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
  ] as const
  assert.equal(
    await diffIdOf({ kind: 'entries', entries }),
    'sha256:889b76354db1017f507fec37a0ce5491d058599c86d472fd4a8a5873d7cd73b7',
  )
})

async function diffIdOf(content: LayerContent, storeDirectory = '/nix/store'): Promise<string> {
  const packer = createWorkerPacker({ threads: 1, storeDirectory })
  try {
    const ever = new AbortController().signal
    return (await packer.pack(content, { codec: 'gzip', level: 1 }, async () => {}, ever)).diffId
  } finally {
    await packer.close()
  }
}
