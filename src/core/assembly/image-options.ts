import type { ImageRequest } from '#core/request/image-request.ts'
import type { ImageOptions } from './image-documents.ts'

/** What the root file system of an image offers. */
export interface RootFacts {
  /** `/bin/bash` is there. */
  readonly bash: boolean
  /** `/etc/ssl/certs/ca-bundle.crt` is there. */
  readonly caBundle: boolean
}

// The farm links programs to /bin and /sbin (/usr/bin and /usr/sbin lead there); the first two are
// for people who build FROM the image.
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin'

/** How containers of a requested image start. */
export function imageOptions(request: ImageRequest, root: RootFacts): ImageOptions {
  return {
    env: [path, ...(root.caBundle ? ['SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt'] : [])],
    ...(request.shell && root.bash ? { cmd: ['bash'] } : {}),
  }
}
