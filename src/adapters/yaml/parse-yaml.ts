import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'
import type { z } from 'zod'
import { describeIssue } from './describe-issue.ts'

const require = createRequire(import.meta.url)

/** Loaded by need: it has seventy modules, and most services read no YAML. */
function loadYaml(): typeof Yaml {
  return require('yaml')
}

/** A value, or in one line which part of the text is not what it should be. */
export type ParsedYaml<Value> =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'wrong'; readonly message: string }

/**
 * Reads a value from YAML 1.2, of which JSON is a part. Aliases are refused: a few lines of them
 * can stand for gigabytes. Nothing is written to the log, which has lines of its own form.
 */
export function parseYaml<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): ParsedYaml<z.output<Schema>> {
  const yaml = loadYaml()
  try {
    const result = schema.safeParse(yaml.parse(text, { maxAliasCount: 0, logLevel: 'error' }), {
      reportInput: true,
    })
    if (result.success) return { kind: 'value', value: result.data }
    return { kind: 'wrong', message: describeIssue(result.error) }
  } catch (error) {
    if (error instanceof yaml.YAMLError) return { kind: 'wrong', message: describeSyntax(error) }
    // Aliases beyond the bound, of which there is none.
    if (error instanceof ReferenceError)
      return { kind: 'wrong', message: 'has an alias (*name), which is not allowed here' }
    throw error
  }
}

/** The library's first line ends with the place, which is what somebody looks for first. */
function describeSyntax(error: Yaml.YAMLError): string {
  const [line = ''] = error.message.split('\n')
  const [, what = line, where = 'in it'] = /^(.*) (at line \d+, column \d+):?$/.exec(line) ?? []
  return `is no YAML ${where}: ${what}`
}
