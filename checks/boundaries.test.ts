import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkFile } from './boundaries.ts'

const script = join(import.meta.dirname, 'boundaries.ts')

function violates(file: string, text: string): boolean {
  return checkFile(file, text).length > 0
}

test('checkFile() follows the dependency direction', () => {
  const table: ReadonlyArray<readonly [file: string, text: string, violation: boolean]> = [
    ['src/core/oci/a.ts', "import { b } from '#core/nix/b.ts'", false],
    ['src/core/oci/a.ts', "import { createHash } from 'node:crypto'", false],
    ['src/core/oci/a.ts', "import { readFile } from 'node:fs/promises'", true],
    ['src/core/oci/a.ts', "import type { B } from '#engine/b.ts'", true],
    ['src/core/oci/a.ts', "import { z } from 'zod'", true],
    ['src/core/oci/a.ts', "export * from '../../engine/b.ts'", true],
    ['src/core/oci/a.ts', "const b = await import('#adapters/b.ts')", true],
    ['src/engine/a.ts', "import { z } from 'zod'", false],
    ['src/engine/a.ts', "import { b } from '#adapters/nix/b.ts'", true],
    ['src/engine/a.ts', "import { b } from '../core/b.ts'", true],
    ['src/engine/ports/a.ts', "import { b } from '../b.ts'", false],
    ['src/apps/registry/a.ts', "import { b } from '#adapters/b.ts'", true],
    ['src/apps/registry/a.ts', "import { createServer } from 'node:http'", false],
    ['src/adapters/a.ts', "import { compose } from '../compose.ts'", true],
    ['src/adapters/a.ts', "import { serve } from '../serve.ts'", true],
    ['src/adapters/a.ts', "import type { B } from '#apps/registry/b.ts'", true],
    ['src/adapters/a.ts', "import { b } from '#engine/ports/b.ts'", false],
    ['src/adapters/a.ts', "import { b } from '#package-sets/debian/b.ts'", false],
    ['src/compose.ts', "import { b } from '#adapters/b.ts'", false],
  ]
  for (const [file, text, violation] of table)
    assert.equal(violates(file, text), violation, `${file}: ${text}`)
})

test('boundaries.ts fails on a planted violation and passes without it', () => {
  const root = mkdtempSync(join(tmpdir(), 'nixery-boundaries-'))
  try {
    for (const room of ['src', 'package-sets', 'web'])
      cpSync(room, join(root, room), { recursive: true })
    assert.match(
      execFileSync(process.execPath, [script], { cwd: root, encoding: 'utf8' }),
      /, 0 violations/,
    )

    writeFileSync(join(root, 'src/core/oci/planted.ts'), "import { readFileSync } from 'node:fs'\n")
    const planted = spawnSync(process.execPath, [script], { cwd: root, encoding: 'utf8' })
    assert.equal(planted.status, 1)
    assert.match(planted.stderr, /src\/core\/oci\/planted\.ts: imports node:fs/)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
