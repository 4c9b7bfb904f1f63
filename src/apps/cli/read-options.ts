import { parseArgs, type ParseArgsConfig } from 'node:util'
import { nearNames } from '#core/nix/near-names.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** A wrong command line, and in one line what is wrong with it. */
export interface Slip {
  readonly kind: 'wrong'
  readonly message: string
}

type ReadOptions<Given extends Options> =
  | {
      readonly kind: 'read'
      readonly values: ReturnType<typeof parseArgs<{ options: Given }>>['values']
      /** What is no option, in its order. */
      readonly others: readonly string[]
    }
  | Slip

// No value of ours begins with a dash, but for numbers that the command refuses in its own words.
const looksLikeOption = /^-(?!\d)./

/** Options of a command line; every slip is one line. Node's own words for them take three. */
export function readOptions<const Given extends Options>(
  args: readonly string[],
  options: Given,
): ReadOptions<Given> {
  const config = { args: [...args], options, strict: false, allowPositionals: true } as const
  const { values, positionals, tokens } = parseArgs({ ...config, tokens: true })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const type = Object.hasOwn(options, name) ? options[name]?.type : undefined
    if (type === undefined)
      return wrong(`there is no option ${rawName}${hintAt(name, Object.keys(options))}`)
    if (type === 'string' && value === undefined) return wrong(`${rawName} must have a value`)
    if (type === 'string' && inlineValue === false && looksLikeOption.test(value))
      return wrong(`${rawName} must have a value, not ${value}`)
    if (inlineValue === true && value.startsWith('=') && !rawName.startsWith('--'))
      return wrong(`${rawName} takes its value without =, as in ${rawName} ${value.slice(1)}`)
    if (type === 'boolean' && value !== undefined)
      return wrong(`${rawName}=${value} must be without a value`)
  }
  // The types of the values are those of the options from here on.
  return { kind: 'read', values: values as never, others: positionals }
}

/** Misspelt, or cut short as other programs allow it. */
function hintAt(name: string, options: readonly string[]): string {
  const longer = options.filter((option) => name.length > 1 && option.startsWith(name))
  const near = new Set([...nearNames(name, options), ...longer])
  return near.size === 0
    ? ''
    : `; did you mean ${[...near].map((each) => `--${each}`).join(' or ')}?`
}

export function wrong(message: string): Slip {
  return { kind: 'wrong', message }
}
