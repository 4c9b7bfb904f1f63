import { pino, type DestinationStream, type Logger } from 'pino'

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

// JSON lets them stand as they are. Terminals obey the first ones, viewers of logs end a line at
// U+2028, and the others turn the order of text round (UAX #9).
const unseen = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** They stand in values alone, where JSON has another spelling for them. */
function escapeUnseen(json: string): string {
  return json.replaceAll(
    unseen,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
