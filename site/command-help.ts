import { formatHelp } from '../src/apps/cli/command-syntax.ts'
import { commands } from '../src/apps/cli/commands.ts'

/** What every command prints with `--help`, a section for each. */
export function formatCommandHelp(): string {
  return commands
    .map((syntax) =>
      [`## nixery ${syntax.name}`, '', '```', formatHelp(syntax).trimEnd(), '```'].join('\n'),
    )
    .join('\n\n')
}
