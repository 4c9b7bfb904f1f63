import { pino, type Logger } from 'pino'

/**
 * Warnings and errors as lines for people, and how the bundled package set is being made: the first
 * command waits for that for minutes.
 */
export function warningLog(warn: (line: string) => void): Logger {
  const write = (entry: string) => {
    const { level, msg, error, packageSet } = JSON.parse(entry) as Record<string, unknown>
    if (level === 'info' && packageSet === undefined) return
    const parts = level === 'info' ? [msg] : [level, msg, error]
    warn(parts.filter((part) => typeof part === 'string').join(': '))
  }
  const formatters = { level: (level: string) => ({ level }) }
  return pino({ level: 'info', base: null, timestamp: false, formatters }, { write })
}
