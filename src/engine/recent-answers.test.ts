import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '#core/oci/digest.ts'
import { RecentAnswers } from './recent-answers.ts'

const digest = digestOf('manifest')

function setUp() {
  const world = { state: 1 as number | undefined, nowMs: 0, isClaimed: true }
  const answers = new RecentAnswers<string>({
    watch: { state: () => world.state },
    claims: { holds: () => world.isClaimed },
    nowMs: () => world.nowMs,
    most: 2,
  })
  const keep = (key: string) => {
    const moment = answers.moment()
    assert.ok(moment)
    answers.keep(key, `the answer of ${key}`, [digest], moment)
  }
  return { world, answers, keep }
}

test('recall() gives what was kept, as long as nothing changes', () => {
  const { world, answers, keep } = setUp()
  assert.equal(answers.recall('a'), undefined)
  keep('a')
  world.nowMs = 59_999
  assert.equal(answers.recall('a'), 'the answer of a')
})

for (const [what, change] of [
  ['something came or went', { state: 2 }],
  ['something changes just now', { state: undefined }],
  ['the claim ran out', { isClaimed: false }],
  ['the look is a minute ago', { nowMs: 60_000 }],
] as const)
  test(`recall() gives nothing, now and later, when ${what}`, () => {
    const { world, answers, keep } = setUp()
    keep('a')
    const before = { ...world }
    Object.assign(world, change)
    assert.equal(answers.recall('a'), undefined)
    Object.assign(world, before)
    assert.equal(answers.recall('a'), undefined)
  })

test('keep() counts from the moment before the storage was looked at', () => {
  const { world, answers } = setUp()
  const moment = answers.moment()!
  world.state = 2
  answers.keep('a', 'of before', [digest], moment)
  assert.equal(answers.recall('a'), undefined)
})

test('moment() is none while the storage changes', () => {
  const { world, answers } = setUp()
  world.state = undefined
  assert.equal(answers.moment(), undefined)
})
