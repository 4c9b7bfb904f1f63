/** A message of an event stream (HTML, section 9.2 "Server-sent events"). */
export interface StreamedMessage {
  readonly id: string
  readonly kind: string
  readonly data: string
}

/**
 * Reads messages from the pieces in which a stream arrives. Comments are left out: they only show that
 * the stream lives.
 */
export async function* readEventStream(
  pieces: AsyncIterable<string>,
): AsyncGenerator<StreamedMessage> {
  let rest = ''
  for await (const piece of pieces) {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const message = parseMessage(block)
      if (message.data !== '') yield message
    }
  }
}

function parseMessage(block: string): StreamedMessage {
  const values = { id: '', event: 'message', data: '' }
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? []
    if (field === 'id' || field === 'event') values[field] = value
    if (field === 'data') values.data += values.data === '' ? value : `\n${value}`
  }
  return { id: values.id, kind: values.event, data: values.data }
}
