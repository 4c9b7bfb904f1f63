import { seededRandom } from '#test/anomaly/random.ts'
import { bucketAnswers } from './bucket-answers.ts'
import type { Fault, FaultAnswer, FaultPlan, ProxiedRequest } from './fault.ts'

/** How load balancers ask for patience. */
export const unavailable: FaultAnswer = {
  status: 503,
  headers: { 'Content-Type': 'text/plain', 'Retry-After': '1' },
  body: 'Service Unavailable',
}

const answers = [unavailable, bucketAnswers.s3.tooManyRequests, bucketAnswers.gcs.tooManyRequests]

// Documents and small layers are cut within, large layers near their beginning.
const longestTruncatedBytes = 20_000

// Noticed by nobody but the order of things.
const longestDelayMs = 400

/** Makes about one of so many requests fail, in every way that passes by itself; a seed repeats it. */
export function seededFaults(seed: number, oneIn: number): FaultPlan {
  const random = seededRandom(seed)
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!

  const faultOf = ({ method, bodyBytes }: ProxiedRequest): Fault => {
    const afterBytes = Math.floor(random() * bodyBytes)
    const truncated = Math.floor(random() * longestTruncatedBytes)
    return pick<Fault>([
      { kind: 'delay', delayMs: Math.floor(random() * longestDelayMs) },
      { kind: 'answer', answer: pick(answers) },
      { kind: 'cut', afterBytes },
      { kind: 'reset', afterBytes },
      { kind: 'lose-answer' },
      ...(method === 'GET' ? [{ kind: 'truncate', afterBytes: truncated } as const] : []),
    ])
  }
  return (request) => (random() * oneIn < 1 ? faultOf(request) : undefined)
}
