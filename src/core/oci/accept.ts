/**
 * The first of the offered media types that an `Accept` header allows; the first offer when the
 * header is missing or allows none, because a client that asks for something else still learns
 * more from a document than from a refusal. Offers are in order of preference; a client's weights
 * only exclude (`q=0`), since container clients list types without an order that means anything.
 */
export function negotiate(
  accept: string | undefined,
  offers: readonly [string, ...string[]],
): string {
  return offers.find((offer) => accepts(accept, offer)) ?? offers[0]
}

/** Whether an `Accept` header allows a media type; a missing one allows all. */
export function accepts(accept: string | undefined, type: string): boolean {
  if (accept === undefined || accept.trim() === '') return true
  const ranges = accept.split(',').map(parseRange)
  const refused = ranges.some((range) => range.type === type && range.quality === 0)
  return !refused && ranges.some((range) => range.quality > 0 && covers(range.type, type))
}

interface MediaRange {
  readonly type: string
  readonly quality: number
}

function parseRange(text: string): MediaRange {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))
  const quality = weight === undefined ? 1 : Number.parseFloat(weight.slice(2))
  return { type, quality: Number.isNaN(quality) ? 1 : quality }
}

function covers(range: string, offer: string): boolean {
  if (range === '*/*' || range === offer) return true
  return range.endsWith('/*') && offer.startsWith(range.slice(0, -1))
}
