import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { OrderTokens } from '#engine/image-orders.ts'

const tokenBytes = 16

/** Tokens of 128 random bits; whoever reads the memory of the service learns only their digests. */
export const orderTokens: OrderTokens = {
  make() {
    const token = randomBytes(tokenBytes).toString('base64url')
    return { token, digest: digestToken(token).toString('hex') }
  },
  matches: (token, digest) => timingSafeEqual(digestToken(token), Buffer.from(digest, 'hex')),
}

function digestToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
