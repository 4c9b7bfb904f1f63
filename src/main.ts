import { describeError } from '#adapters/log/described-error.ts'
import { ConfigError, readConfig } from './config.ts'
import { endWithOutput } from './lost-output.ts'
import { readVersion } from './read-version.ts'

// Every command loads what it needs and no more: most of a start is loading modules.

/** Does work; gives the exit code, or throws what keeps it from its work. */
type Command = (args: readonly string[]) => Promise<number>

const work: Readonly<Record<string, Command>> = {
  serve: online(serveRegistry),
  build: online(async (args) => (await import('./build-command.ts')).runBuildCommand(args)),
  watch: online(async (args) => (await import('./watch-command.ts')).runWatchCommand(args)),
  // Reads what is listed here, in a moment, and connects itself when it has to.
  search: async (args) => (await import('./search-command.ts')).runSearchCommand(args),
  gc: online(async (args) => (await import('./storage-commands.ts')).runGcCommand(args)),
  verify: online(async (args) => (await import('./storage-commands.ts')).runVerifyCommand(args)),
  popularity: online(async (args) => (await import('./count-popularity.ts')).countPopularity(args)),
  doctor: online(async (args) => (await import('./doctor-command.ts')).runDoctorCommand(args)),
}

/** Exit codes: 0 after a clean end, 1 when the command cannot do its work, 2 for a wrong command line. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  const run = command !== undefined && Object.hasOwn(work, command) ? work[command] : undefined
  if (run !== undefined) return orderly(() => run(args))
  switch (command) {
    case '--help':
    case '-h':
      return help([])
    case 'help':
      return help(args)
    case 'completion':
      return (await import('#apps/cli/run-completion.ts')).runCompletion(args, process)
    case '--version':
    case '-V':
      process.stdout.write(`nixery ${readVersion()}\n`)
      return 0
    default:
      return refuseCommand(command)
  }
}

async function serveRegistry([first, ...others]: readonly string[]): Promise<number> {
  if ((first === '--help' || first === '-h') && others.length === 0) return help(['serve'])
  if (first !== undefined) {
    const { formatSlip } = await import('#apps/cli/command-syntax.ts')
    const { serveSyntax } = await import('#apps/cli/commands.ts')
    const message = `${first} is too much: serve takes its settings from the environment`
    process.stderr.write(formatSlip(serveSyntax, message))
    return 2
  }
  const config = readConfig(process.env)
  const { createLogger } = await import('#adapters/log/logger.ts')
  const { serve } = await import('./serve.ts')
  await serve(config, createLogger(config.logLevel))
  return 0
}

async function help([name]: readonly string[]): Promise<number> {
  const { formatHelpOf } = await import('#apps/cli/commands.ts')
  const text = formatHelpOf(name?.startsWith('-') === true ? 'help' : name)
  if (text === undefined) return refuseCommand(name)
  process.stdout.write(text)
  return 0
}

async function refuseCommand(command: string | undefined): Promise<number> {
  const { formatUnknownCommand } = await import('#apps/cli/commands.ts')
  process.stderr.write(formatUnknownCommand(command))
  return 2
}

/** A command that makes connections, by the proxies and with the certificates of the environment. */
function online(run: Command): Command {
  return async (args) => {
    const { useNetwork } = await import('./use-network.ts')
    useNetwork(process.env)
    return run(args)
  }
}

/** What keeps a command from its work becomes one line. */
async function orderly(run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    const line = error instanceof ConfigError ? error.message : describeError(error)
    const { printable } = await import('#apps/cli/printable.ts')
    // Servers have a say in it.
    process.stderr.write(`nixery: ${printable(line)}\n`)
    return 1
  }
}

endWithOutput()
process.exitCode = await main(process.argv.slice(2))
