import './require-node.js'
import { join } from 'node:path'
import { projectRoot } from './project-root.js'
import { runNode } from './run-node.js'
import { setUp } from './set-up.js'

setUp('bench')
await runNode([join(projectRoot, 'bench', 'main.ts'), ...process.argv.slice(2)])
