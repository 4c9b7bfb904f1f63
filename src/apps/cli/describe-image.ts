import type { AboutImage } from '#engine/stored-entries.ts'

/** `shell/git (linux/arm64) of 0a1b2c3d4e5f`: which image that is, for people; an index has no platform. */
export function describeImage({ name, platform, revision }: AboutImage): string {
  return `${name}${platform === undefined ? '' : ` (${platform})`} of ${shorten(revision)}`
}

/** Commits and digests as git shows them; `debian-…` keeps what is in front. */
function shorten(revision: string): string {
  return revision.replace(/[0-9a-f]{40,}/, (hex) => hex.slice(0, 12))
}
