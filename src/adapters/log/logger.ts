import { pino, type DestinationStream, type Logger } from 'pino'
import { replaceUnseen } from '#core/text/unseen-characters.ts'

/**
 * One JSON object per line on standard output. Values are encoded, so no request can forge a line;
 * `time` is ISO 8601.
 */
export function createLogger(
  level: string,
  output: DestinationStream = pino.destination({ fd: process.stdout.fd, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => output.write(escapeUnseen(line)) },
  )
}

/** JSON lets most of them stand as they are, in values alone, and has another spelling for them. */
function escapeUnseen(json: string): string {
  return replaceUnseen(json, (run) => run.replaceAll(/[^\n]/g, escapeCharacter))
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
