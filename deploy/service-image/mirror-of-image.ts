import type { DebianMirror } from '#package-sets/debian/debian-package-set.ts'

/**
 * The mirror that apt asks in the image: that of the package set, unless the configuration names another.
 * Throws for one with a login, since an image goes to others.
 */
export function mirrorOfImage(
  prepared: DebianMirror,
  configured: Partial<DebianMirror>,
): DebianMirror {
  const mirror = { ...prepared, ...configured }
  if (hasLogin(mirror.main)) throw loginFound('NIXERY_DEBIAN_MIRROR')
  if (mirror.security !== undefined && hasLogin(mirror.security))
    throw loginFound('NIXERY_DEBIAN_SECURITY_MIRROR')
  return mirror
}

function hasLogin(address: string): boolean {
  const { username, password } = new URL(address)
  return username !== '' || password !== ''
}

function loginFound(setting: string): Error {
  return new Error(
    `the image would hold a login: the address of its Debian mirror has one; name a mirror without in ${setting}`,
  )
}
