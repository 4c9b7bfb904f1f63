/** Nix's name of what a derivation is built for. */
export type System = 'x86_64-linux' | 'aarch64-linux'

/** OCI's name of what an image runs on (image-spec, image-index.md#platform). */
export interface Platform {
  readonly os: 'linux'
  readonly architecture: 'amd64' | 'arm64'
  readonly variant?: 'v8'
}

/** Platforms in order of preference. */
export type Platforms = readonly [Platform, ...Platform[]]

const systems = { amd64: 'x86_64-linux', arm64: 'aarch64-linux' } as const

/** The Nix system of an image's platform. */
export function systemOf(platform: Platform): System {
  return systems[platform.architecture]
}

/** The platform of an architecture as Docker and OCI clients name it; arm64 carries its variant. */
export function platformOf(architecture: Platform['architecture']): Platform {
  return architecture === 'arm64'
    ? { os: 'linux', architecture, variant: 'v8' }
    : { os: 'linux', architecture }
}

/** `linux/amd64`, `linux/arm64`: how people and container runtimes write a platform. */
export function formatPlatform(platform: Platform): string {
  return `${platform.os}/${platform.architecture}`
}
