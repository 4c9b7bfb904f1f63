import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

import type { PackageSet } from '#engine/ports/package-source.ts'
import { prepareStateDirectory } from '#test/clients/nixery-server.ts'

/** The bundled package set of this checkout. */
export async function bundledSet(): Promise<PackageSet> {
  const home = join(await prepareStateDirectory(), 'package-sets', 'debian')
  const [revision = ''] = await readdir(home)
  const entry = join(home, revision)
  return { identity: revision, fixed: true, entry, readablePaths: [entry] }
}
