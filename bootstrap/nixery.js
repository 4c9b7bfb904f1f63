#!/usr/bin/env node
import './require-node.js'
import { join } from 'node:path'
import { projectRoot } from './project-root.js'
import { runNode } from './run-node.js'
import { setUp } from './set-up.js'

setUp('serve')
await runNode([join(projectRoot, 'src', 'main.ts'), ...process.argv.slice(2)])
