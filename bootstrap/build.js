import './require-node.js'
import { buildBundle, bundles } from './build-pages.js'
import { setUp } from './set-up.js'

// `npm run build` builds everything, `npm run build -- docs` what it names, whether it is outdated or not.
const names = process.argv.slice(2)
const unknown = names.find((name) => !bundles.some((bundle) => bundle.name === name))

if (unknown === undefined) {
  setUp('check')
  for (const bundle of bundles) {
    if (names.length > 0 && !names.includes(bundle.name)) continue
    const result = buildBundle(bundle)
    if (result.ok) console.error(`build: dist/${bundle.name} is built`)
    else {
      console.error(`build: dist/${bundle.name} could not be built:\n${result.reason}`)
      process.exitCode = 1
    }
  }
} else {
  console.error(`build: there is no ${unknown}; ${bundles.map(({ name }) => name).join(', ')}`)
  process.exitCode = 2
}
