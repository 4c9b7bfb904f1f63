#!/usr/bin/env node
import './require-node.js'
import { join } from 'node:path'
import { purposeOf } from './machine-tools.js'
import { projectRoot } from './project-root.js'
import { isProductNode, runNode } from './run-node.js'
import { setUp } from './set-up.js'

const arguments_ = process.argv.slice(2)
const main = join(projectRoot, 'src', 'main.ts')
const purpose = purposeOf(arguments_)
// An installation may have brought another Node than the one that runs.
const installed = purpose !== undefined && setUp(purpose).installed
if (isProductNode() && !installed) await import(main)
else await runNode([main, ...arguments_])
