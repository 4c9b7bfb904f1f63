import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { compose } from './compose.ts'
import { ConfigError, readConfig } from './config.ts'

test('compose() refuses a package set that is not there, naming variable and value', async () => {
  // A directory without default.nix is no package set either.
  for (const path of ['/nowhere/set', import.meta.dirname]) {
    await assert.rejects(
      compose(
        readConfig({ NIXERY_PKGS_PATH: path }),
        pino({ level: 'silent' }),
        new AbortController().signal,
      ),
      (error) =>
        error instanceof ConfigError && error.message.startsWith(`NIXERY_PKGS_PATH=${path} `),
    )
  }
})
