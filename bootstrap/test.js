import './require-node.js'
import { projectRoot } from './project-root.js'
import { runNode } from './run-node.js'
import { setUp } from './set-up.js'

const unitFiles = ['src', 'package-sets', 'checks', 'bootstrap', 'site', 'web'].map(
  (folder) => `${folder}/**/*.test.{js,ts}`,
)
const suites = new Map([
  // Everything that `npm test` promises.
  ['all', { purpose: 'test', files: [...unitFiles, 'test/**/*.test.ts'] }],
  ['unit', { purpose: 'serve', files: unitFiles }],
  ['soak', { purpose: 'test', files: ['{src,package-sets,test}/**/*.soak.ts'] }],
  ['fresh', { purpose: 'fresh', files: ['test/fresh/*.fresh.ts'] }],
  ['deploy', { purpose: 'deploy', files: ['test/deploy/*.deploy.ts'] }],
])

// `npm test -- src/core` names files of its own, `npm run test:soak` a suite.
const [first, ...others] = process.argv.slice(2)
const named = suites.has(first)
const suite = suites.get(named ? first : 'all')
const files = named || first === undefined ? others : [first, ...others]

setUp(suite.purpose)
process.chdir(projectRoot)
await runNode([
  '--test',
  '--test-reporter=spec',
  // Two files at a time: client tests wait for daemons, unit tests for the processor.
  '--test-concurrency=2',
  ...(files.length > 0 ? files : suite.files),
])
