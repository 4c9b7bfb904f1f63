import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthChallenge } from './auth-challenge.ts'

test('parseAuthChallenge() reads what registries ask for', () => {
  const table = [
    ['Basic realm="tests"', { kind: 'basic' }],
    ['basic', { kind: 'basic' }],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      {
        kind: 'bearer',
        realm: 'https://auth.example/token',
        service: 'registry.example',
        scope: 'repository:a/b:pull,push',
      },
    ],
    [
      'Basic realm="x", Bearer realm=https://auth.example/t',
      { kind: 'bearer', realm: 'https://auth.example/t' },
    ],
    ['Bearer realm="nowhere"', undefined],
    ['Negotiate', undefined],
    ['', undefined],
  ] as const
  for (const [header, expected] of table)
    assert.deepEqual(parseAuthChallenge(header), expected, header)
})
