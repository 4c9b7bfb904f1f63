/** One message of a stream of server-sent events (html.spec.whatwg.org, section 9.2.6). */
export interface StreamMessage {
  readonly id?: string
  readonly event: string
  readonly data: string
}

// The state of a build of a hundred layers has some 30 KB.
const longestMessage = 4 * 1024 * 1024

/** Reads a stream; comments, which are heartbeats, give nothing. Throws for a message without end. */
export async function* readEventStream(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true })
    const blocks = text.split(/\r?\n\r?\n/)
    text = blocks.pop() ?? ''
    if (text.length > longestMessage) throw new Error('the stream has a message without end')
    for (const block of blocks) {
      const message = parseBlock(block)
      if (message !== undefined) yield message
    }
  }
}

function parseBlock(block: string): StreamMessage | undefined {
  let id: string | undefined
  let event = 'message'
  const data: string[] = []
  for (const line of block.split(/\r?\n/)) {
    const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? []
    if (field === 'id') id = value
    if (field === 'event') event = value
    if (field === 'data') data.push(value)
  }
  if (data.length === 0) return undefined
  return { ...(id !== undefined && { id }), event, data: data.join('\n') }
}
