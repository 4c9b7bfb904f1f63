import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tellAll } from './tell-all.ts'

test('tellAll() tells every observer everything, in their order', () => {
  const heard: string[] = []
  const hear = (name: string) => ({
    observe: (build: string, count: number) => void heard.push(`${name} ${build} ${count}`),
  })
  tellAll(hear('log'), hear('metrics')).observe('b', 1)
  tellAll<[]>().observe()
  assert.deepEqual(heard, ['log b 1', 'metrics b 1'])
})
