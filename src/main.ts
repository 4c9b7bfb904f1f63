import { describeError } from '#adapters/log/described-error.ts'
import { trustCertificates } from './trusted-certificates.ts'
import { ConfigError, readConfig } from './config.ts'

// Every command loads what it needs and no more: most of a start is loading modules.

const usage = `usage: nixery serve
       nixery gc --help
       nixery verify --help
       nixery popularity --help

serve       serves container images that Nix builds when they are pulled; settings are
            environment variables, see docs/configuration.md
gc          removes images that nobody needs from the storage, see docs/storage.md
verify      reads everything that is stored and says what is wrong, see docs/storage.md
popularity  counts which packages others need most, for NIX_POPULARITY_URL; see
            docs/popularity.md
`

/** Exit codes: 0 after a clean end, 1 when the command cannot do its work, 2 for a wrong command line. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  switch (command) {
    case 'serve':
      return args.length > 0
        ? refuse(`${args[0]} is too much: serve takes its settings from the environment`)
        : orderly(serveRegistry)
    case 'popularity':
      return orderly(async () => (await import('./count-popularity.ts')).countPopularity(args))
    case 'gc':
      return orderly(async () => (await import('./storage-commands.ts')).runGcCommand(args))
    case 'build':
      return orderly(async () => (await import('./build-command.ts')).runBuildCommand(args))
    case 'verify':
      return orderly(async () => (await import('./storage-commands.ts')).runVerifyCommand(args))
    case '--help':
    case '-h':
    case 'help':
      process.stdout.write(usage)
      return 0
    case undefined:
      return refuse('a command is missing')
    default:
      return refuse(`there is no command ${command}`)
  }
}

async function serveRegistry(): Promise<number> {
  const config = readConfig(process.env)
  const { createLogger } = await import('#adapters/log/logger.ts')
  const { serve } = await import('./serve.ts')
  await serve(config, createLogger(config.logLevel))
  return 0
}

function refuse(message: string): number {
  process.stderr.write(`nixery: ${message}\n\n${usage}`)
  return 2
}

/** What keeps a command from its work becomes one line. */
async function orderly(run: () => Promise<number>): Promise<number> {
  try {
    // Nix and git look for both by themselves, Node's fetch only when it is told to.
    // An import would also load the client of web sockets, which takes as long as Node itself.
    process.getBuiltinModule('node:http').setGlobalProxyFromEnv()
    trustCertificates(process.env)
    return await run()
  } catch (error) {
    const line = error instanceof ConfigError ? error.message : describeError(error)
    process.stderr.write(`nixery: ${line}\n`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
