import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findInNetrc } from './netrc.ts'

const text = `# machine evil.example login no password no
machine git.example login ada password s3cret#1
machine other.example
  login "bob the \\"builder\\""
  account none
  password "two words"
macdef init
cd /pub machine macro.example login x password y

machine token.example password only
machine nothing.example login ada
`

function check(host: string, username: string, password: string): void {
  assert.deepEqual(findInNetrc(text, host), { username, password })
}

test('findInNetrc() finds a machine, on one line or many, in quotes or not', () => {
  check('git.example', 'ada', 's3cret#1')
  check('other.example', 'bob the "builder"', 'two words')
  check('token.example', '', 'only')
})

test('findInNetrc() knows nothing of comments, macros, other hosts and missing passwords', () => {
  for (const host of ['evil.example', 'macro.example', 'example', 'nothing.example', ''])
    assert.equal(findInNetrc(text, host), undefined, host)
})

test('findInNetrc() gives the default to nobody', () => {
  const withDefault = `default login any password thing\n${text}`
  assert.equal(findInNetrc(withDefault, 'new.example'), undefined)
  assert.deepEqual(findInNetrc(withDefault, 'git.example'), {
    username: 'ada',
    password: 's3cret#1',
  })
})
