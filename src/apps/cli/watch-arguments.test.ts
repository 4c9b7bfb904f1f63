import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWatchArguments } from './watch-arguments.ts'

test('parseWatchArguments() shows how to say an address that was pasted', () => {
  const table = [
    ['localhost:8080/shell/git', 'localhost:8080', 'shell/git --server http://localhost:8080'],
    ['http://localhost/shell/git', 'localhost', 'shell/git --server http://localhost'],
    ['https://a.example:443/git:v1', 'a.example:443', 'git:v1 --server https://a.example:443'],
    ['https://a.example/', 'a.example', 'NAME --server https://a.example'],
    ['docker://h:5000/git', 'h:5000', 'git --server http://h:5000'],
  ] as const
  for (const [text, server, correction] of table)
    assert.deepEqual(parseWatchArguments([text]), {
      kind: 'wrong',
      message: `${server} is a server, and no part of the name: nixery watch ${correction}`,
    })
})
