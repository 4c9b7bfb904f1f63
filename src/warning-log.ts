import { pino, type Logger } from 'pino'

/** Warnings and errors as lines for people. */
export function warningLog(warn: (line: string) => void): Logger {
  const write = (entry: string) => {
    const { level, msg, error } = JSON.parse(entry) as Record<string, unknown>
    warn([level, msg, error].filter((part) => typeof part === 'string').join(': '))
  }
  const formatters = { level: (level: string) => ({ level }) }
  return pino({ level: 'warn', base: null, timestamp: false, formatters }, { write })
}
