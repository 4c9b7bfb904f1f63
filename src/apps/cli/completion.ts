import type { CommandOption, CommandSyntax } from './command-syntax.ts'
import type { shells } from './commands.ts'

export type Shell = (typeof shells)[number]

/**
 * A script that completes commands, their options and values. Names of images are asked of
 * `nixery search --complete` each time: a set has tens of thousands of packages, and they change.
 */
export function formatCompletion(shell: Shell, commands: readonly CommandSyntax[]): string {
  switch (shell) {
    case 'bash':
      return bashCompletion(commands)
    case 'zsh':
      return zshCompletion(commands)
    case 'fish':
      return fishCompletion(commands)
  }
}

/** `-o --output` */
function spellings(name: string, { short }: CommandOption): readonly string[] {
  return [...(short === undefined ? [] : [`-${short}`]), `--${name}`]
}

/** What may stand for an argument that is no option. */
function argumentWords(
  command: CommandSyntax,
  commands: readonly CommandSyntax[],
): readonly string[] {
  if (command.name === 'help') return commands.map(({ name }) => name)
  return command.argument === undefined || command.argument === 'image' ? [] : command.argument
}

function bashCompletion(commands: readonly CommandSyntax[]): string {
  const cases = commands.map((command) => {
    const options = Object.entries(command.options)
    const values = options.flatMap(([name, option]) => {
      const reply = bashValue(option)
      return reply === undefined
        ? []
        : [`      ${spellings(name, option).join('|')}) ${reply}; return ;;`]
    })
    const words = options.flatMap(([name, option]) => spellings(name, option)).join(' ')
    const others =
      command.argument === 'image'
        ? '_nixery_image'
        : `COMPREPLY=($(compgen -W '${argumentWords(command, commands).join(' ')}' -- "$word"))`
    return `    ${command.name})
      case $previous in
${values.map((line) => `  ${line}\n`).join('')}        *) ;;
      esac
      if [[ $word == -* ]]; then COMPREPLY=($(compgen -W '${words}' -- "$word"))
      else ${others}; fi ;;`
  })
  const names = commands.map(({ name }) => name).join(' ')
  return `# bash completion of nixery
_nixery_image() {
  # Behind a colon is a tag.
  [[ $previous == : || $word == : ]] && return
  COMPREPLY=($("\${COMP_WORDS[0]}" search --complete -- "$word" 2>/dev/null))
  # More packages may follow.
  compopt -o nospace 2>/dev/null
}
_nixery() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W '${names} --help --version' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
}
complete -F _nixery nixery
`
}

function bashValue(option: CommandOption): string | undefined {
  if (option.type !== 'string') return undefined
  const { completion = [] } = option
  if (completion === 'file') return 'COMPREPLY=($(compgen -f -- "$word"))'
  if (completion === 'directory') return 'COMPREPLY=($(compgen -d -- "$word"))'
  return `COMPREPLY=($(compgen -W '${completion.join(' ')}' -- "$word"))`
}

function zshCompletion(commands: readonly CommandSyntax[]): string {
  const descriptions = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`)
  const cases = commands.map((command) => {
    const options = Object.entries(command.options).flatMap(([name, option]) =>
      spellings(name, option).map((spelling) => `        ${quote(zshOption(spelling, option))}`),
    )
    const words = argumentWords(command, commands)
    const action =
      command.argument === 'image'
        ? '*:image:_nixery_image'
        : words.length > 0
          ? `*:argument:(${words.join(' ')})`
          : undefined
    const others = action === undefined ? '' : ` \\\n        ${quote(action)}`
    return `      ${command.name})\n      _arguments \\\n${options.join(' \\\n')}${others} ;;`
  })
  return `#compdef nixery
_nixery_image() {
  local -a names
  names=(\${(f)"$("$nixery" search --complete -- "$PREFIX" 2>/dev/null)"})
  # More packages may follow.
  compadd -S '' -a names
}
_nixery() {
  local nixery=$words[1]
  local -a commands
  commands=(
${descriptions.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _nixery ]]; then _nixery "$@"; else compdef _nixery nixery; fi
`
}

function zshOption(spelling: string, option: CommandOption): string {
  const about = option.about.replaceAll(/[[\]:\\]/g, (character) => `\\${character}`)
  if (option.type !== 'string') return `${spelling}[${about}]`
  const { completion = [], value } = option
  const action =
    completion === 'file'
      ? '_files'
      : completion === 'directory'
        ? '_files -/'
        : `(${completion.map((word) => word.replaceAll(':', '\\:')).join(' ')})`
  return `${spelling}[${about}]:${value}:${action}`
}

function fishCompletion(commands: readonly CommandSyntax[]): string {
  const first = commands.map(
    ({ name, summary }) =>
      `complete -c nixery -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`,
  )
  const more = commands.flatMap((command) => {
    const when = `-n ${quote(`__fish_seen_subcommand_from ${command.name}`)}`
    const options = Object.entries(command.options).map(
      ([name, option]) =>
        `complete -c nixery ${when}${option.short === undefined ? '' : ` -s ${option.short}`} -l ${name}${fishValue(option)} -d ${quote(option.about)}`,
    )
    const words = argumentWords(command, commands)
    const action =
      command.argument === 'image'
        ? '(nixery search --complete -- (commandline -ct) 2>/dev/null)'
        : words.join(' ')
    const others = action === '' ? [] : [`complete -c nixery ${when} -a ${quote(action)}`]
    return [...options, ...others]
  })
  return `# fish completion of nixery\n${['complete -c nixery -f', ...first, ...more].join('\n')}\n`
}

function fishValue(option: CommandOption): string {
  if (option.type !== 'string') return ''
  const { completion = [] } = option
  if (completion === 'file') return ' -r -F'
  if (completion === 'directory') return " -x -a '(__fish_complete_directories)'"
  return completion.length === 0 ? ' -x' : ` -x -a ${quote(completion.join(' '))}`
}

/** For all three shells: nothing but the quote itself has a meaning between single quotes. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
