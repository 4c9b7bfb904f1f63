import { parse, YAMLError } from 'yaml'
import type { z } from 'zod'

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
  try {
    const result = schema.safeParse(parse(text, { maxAliasCount: 0, logLevel: 'error' }))
    if (result.success) return { kind: 'value', value: result.data }
    return { kind: 'wrong', message: describeIssue(result.error) }
  } catch (error) {
    // Aliases beyond the bound are a ReferenceError of the library.
    if (error instanceof YAMLError || error instanceof ReferenceError)
      return { kind: 'wrong', message: error.message.split('\n')[0] ?? '' }
    throw error
  }
}

function describeIssue(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'not what is expected here'
  const where = issue.path.join('.')
  return where === '' ? issue.message : `${where}: ${issue.message}`
}
