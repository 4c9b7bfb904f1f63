import { nearNames } from '#core/nix/near-names.ts'
import { buildSyntax } from './build-arguments.ts'
import {
  formatHelp,
  formatRows,
  helpOption,
  usualExitCodes,
  type CommandSyntax,
} from './command-syntax.ts'
import { doctorSyntax } from './doctor-arguments.ts'
import { gcSyntax } from './gc-arguments.ts'
import { popularitySyntax } from './popularity-arguments.ts'
import { searchSyntax } from './search-arguments.ts'
import { verifySyntax } from './verify-arguments.ts'
import { watchSyntax } from './watch-arguments.ts'

export const serveSyntax: CommandSyntax = {
  name: 'serve',
  summary: 'serves container images that Nix builds when they are pulled',
  synopsis: [''],
  about: [
    'Serves until SIGTERM or SIGINT, then lets downloads end. Settings are environment variables, see docs/configuration.md. A second signal ends it at once.',
  ],
  options: helpOption,
  exitCodes: {
    ...usualExitCodes,
    0: 'stopped by SIGTERM or SIGINT',
    1: 'the service cannot start; standard error says why',
    130: 'ended at once by a second SIGINT; 143 by a second SIGTERM',
  },
}

export const shells = ['bash', 'zsh', 'fish'] as const

export const completionSyntax: CommandSyntax = {
  name: 'completion',
  summary: 'prints a script that completes commands in a shell',
  synopsis: ['bash | zsh | fish'],
  about: [
    'Prints what makes the shell complete commands, options and their values, and names of packages in names of images, once they are listed: by nixery serve or nixery search.',
  ],
  options: helpOption,
  argument: shells,
  notes: [
    'The shell must find nixery in a directory of PATH. From a checkout:',
    'ln -s "$PWD/bootstrap/nixery.sh" ~/.local/bin/nixery',
    'bash: source <(nixery completion bash), in ~/.bashrc.',
    'zsh: nixery completion zsh > _nixery, in a directory of $fpath.',
    'fish: nixery completion fish > ~/.config/fish/completions/nixery.fish',
  ],
}

const helpSyntax: CommandSyntax = {
  name: 'help',
  summary: 'says more about a command',
  synopsis: ['[COMMAND]'],
  about: ['Prints what nixery COMMAND --help prints, or the list of commands.'],
  options: helpOption,
}

/** All commands: help and completion are made of this table. */
export const commands: readonly CommandSyntax[] = [
  serveSyntax,
  buildSyntax,
  watchSyntax,
  searchSyntax,
  gcSyntax,
  verifySyntax,
  popularitySyntax,
  doctorSyntax,
  completionSyntax,
  helpSyntax,
]

export function findCommand(name: string): CommandSyntax | undefined {
  return commands.find((command) => command.name === name)
}

/** What `nixery --help` prints. */
export function formatCommands(): string {
  const rows = commands.map(({ name, summary }) => [name, summary] as const)
  return `usage: nixery COMMAND [options]

Container images that do not exist until somebody pulls them.

${formatRows(rows)}

nixery COMMAND --help says more about a command, nixery --version which version this is.
Settings are environment variables: see docs/configuration.md.

Exit codes of every command; some have more:
${formatRows(Object.entries(usualExitCodes))}
`
}

/** What is said of a command that does not exist, or of none. */
export function formatUnknownCommand(name: string | undefined): string {
  const what = name === undefined ? 'a command is missing' : `there is no command ${name}`
  const near =
    name === undefined
      ? []
      : nearNames(
          name,
          commands.map((command) => command.name),
        )
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
  const rows = commands.map((command) => [command.name, command.summary] as const)
  return `nixery: ${what}${hint}\n\nusage: nixery COMMAND [options]\n\n${formatRows(rows)}\n`
}

/** `nixery help`; `undefined` for a command that does not exist. */
export function formatHelpOf(name: string | undefined): string | undefined {
  if (name === undefined) return formatCommands()
  const command = findCommand(name)
  return command && formatHelp(command)
}
