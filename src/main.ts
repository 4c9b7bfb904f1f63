import { createLogger } from '#adapters/log/logger.ts'
import { describeError } from '#adapters/log/described-error.ts'
import { serve } from './serve.ts'
import { ConfigError, readConfig } from './config.ts'

const usage = `usage: nixery serve

Serves container images that Nix builds when they are pulled. Settings are environment
variables, see docs/configuration.md.
`

/** Exit codes: 0 after a clean end, 1 when the service cannot start, 2 for a wrong command line. */
async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args
  if (command === '--help' || command === '-h' || command === 'help') {
    process.stdout.write(usage)
    return 0
  }
  if (command !== 'serve' || rest.length > 0) {
    process.stderr.write(usage)
    return 2
  }
  try {
    const config = readConfig(process.env)
    await serve(config, createLogger(config.logLevel))
    return 0
  } catch (error) {
    const line = error instanceof ConfigError ? error.message : describeError(error)
    process.stderr.write(`nixery: ${line}\n`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
