import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renewConfigurationPage } from './configuration-table.ts'

// `npm run generate`
const path = join(import.meta.dirname, '..', 'docs', 'configuration.md')
writeFileSync(path, renewConfigurationPage(readFileSync(path, 'utf8')))
