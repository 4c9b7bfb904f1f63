import type { PlatformRequest } from '#core/request/image-request.ts'
import type { ImageOptions } from './image-documents.ts'

/** What the root file system of an image offers. */
export interface RootFacts {
  /** `/bin/bash` is there. */
  readonly bash: boolean
  /** `/etc/ssl/certs/ca-bundle.crt` is there. */
  readonly caBundle: boolean
}

// The farm links programs to /bin and /sbin (/usr/bin and /usr/sbin lead there); the first two are
// for people who build FROM the image. Debian keeps cowsay and its like in /usr/games.
const path = '/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin:/usr/games'

/**
 * How containers of a requested image start: what somebody asked for, else what the packages lead
 * to. Without an own `cmd`, an `entrypoint` starts alone: `bash` would be its argument. What is
 * empty is left out, so that there is one way to say nothing.
 */
export function imageOptions(request: PlatformRequest, root: RootFacts): ImageOptions {
  const { env = {}, ...asked } = request.options
  const startsBash = request.shell && root.bash && asked.entrypoint === undefined
  const chosen = { ...(startsBash ? { cmd: ['bash'] } : {}), ...asked }
  return { ...withoutEmpty(chosen), env: mergeEnv(root, env) }
}

function withoutEmpty<Options extends object>(options: Options): Partial<Options> {
  const isEmpty = (value: unknown) =>
    value === '' || (typeof value === 'object' && Object.keys(value ?? {}).length === 0)
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => !isEmpty(value)),
  ) as Partial<Options>
}

/** The image's own variables first, in their order; asked for ones replace them or follow by name. */
function mergeEnv(root: RootFacts, asked: Readonly<Record<string, string>>): readonly string[] {
  const own = {
    PATH: path,
    ...(root.caBundle ? { SSL_CERT_FILE: '/etc/ssl/certs/ca-bundle.crt' } : {}),
  }
  const names = [
    ...Object.keys(own),
    ...Object.keys(asked)
      .filter((name) => !Object.hasOwn(own, name))
      .sort(),
  ]
  const merged: Readonly<Record<string, string>> = { ...own, ...asked }
  return names.map((name) => `${name}=${merged[name]}`)
}
