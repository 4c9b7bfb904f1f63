import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirrorOfImage } from '../../deploy/service-image/mirror-of-image.ts'

const main = 'https://deb.example.org/debian'
const security = 'https://deb.example.org/debian-security'
const withLogin = 'https://user:password@deb.example.org/debian'

test('mirrorOfImage() prefers what is configured', () => {
  assert.deepEqual(mirrorOfImage({ main: withLogin, security }, { main }), { main, security })
  assert.deepEqual(mirrorOfImage({ main }, {}), { main })
})

test('mirrorOfImage() refuses an address with a login and does not repeat it', () => {
  const refused = (pattern: RegExp) => (error: Error) =>
    pattern.test(error.message) && !error.message.includes('password')
  const inMain = refused(/ NIXERY_DEBIAN_MIRROR$/)
  const inSecurity = refused(/ NIXERY_DEBIAN_SECURITY_MIRROR$/)
  assert.throws(() => mirrorOfImage({ main: withLogin }, {}), inMain)
  assert.throws(() => mirrorOfImage({ main }, { main: 'https://token@deb.example.org/' }), inMain)
  assert.throws(() => mirrorOfImage({ main, security: withLogin }, {}), inSecurity)
})
