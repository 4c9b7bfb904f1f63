import { pino, type Logger } from 'pino'

/**
 * One JSON object per line on standard output. Values are encoded, so no request can forge a line;
 * `time` is ISO 8601.
 */
export function createLogger(level: string): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })
}
