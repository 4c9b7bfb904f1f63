import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatedPages, renewPage } from './generated-pages.ts'

// `npm run generate`
for (const [name, formats] of generatedPages) {
  const path = join(import.meta.dirname, '..', 'docs', name)
  writeFileSync(path, renewPage(readFileSync(path, 'utf8'), formats))
}
