import type { StorageFinding } from '#engine/upkeep/storage-findings.ts'
import { formatByteSize } from './byte-size.ts'
import { describeImage } from './describe-image.ts'

/** One line: what is wrong with a storage, and what was done or can be done about it. */
export function describeFinding(finding: StorageFinding, isRepaired: boolean): string {
  switch (finding.kind) {
    case 'truncated-blob': {
      const { digest, sizeBytes, expectedBytes } = finding
      const of = expectedBytes === undefined ? '' : ` of ${expectedBytes}`
      return `truncated blob ${digest}: ${sizeBytes}${of} bytes are there; ${quarantine(finding, isRepaired)}`
    }
    case 'corrupt-blob':
      return `corrupt blob ${finding.digest}: its ${formatByteSize(finding.sizeBytes)} are not what its name says; ${quarantine(finding, isRepaired)}`
    case 'missing-blob':
      return `missing blob ${finding.digest}: it is not there; ${need(finding)}${finding.images > 0 ? ', the next pull makes it again' : ''}`
    case 'dangling-manifest':
      return `dangling manifest ${nameImage(finding)}: ${describeLacks(finding.lacks)}; ${removal(isRepaired)}`
    case 'unreadable-entry':
      return `unreadable entry ${finding.folder}/${finding.key}: it is no entry; ${removal(isRepaired)}`
    case 'dangling-build':
      return `dangling build builds/${finding.key}: its layer ${finding.digest} is not there, or has another size; ${removal(isRepaired)}`
  }
}

function nameImage({
  key,
  about,
  manifests,
}: StorageFinding & { readonly kind: 'dangling-manifest' }) {
  if (key === undefined) return manifests.join(', ')
  return `manifests/${key}${about === undefined ? '' : `, ${describeImage(about)}`}`
}

function describeLacks([first, ...others]: readonly string[]): string {
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  return `it leads to ${first}${more}, not there or not what it should be`
}

interface NeededBlob {
  readonly images: number
}

function quarantine(blob: NeededBlob, isRepaired: boolean): string {
  const needing = blob.images === 0 ? '' : ', and what needs it is removed'
  const done = `moved into quarantine${needing}`
  const consequence = isRepaired
    ? `${done}${blob.images === 0 ? '' : '; the next pull makes it again'}`
    : `with --repair it is ${done}`
  return `${need(blob)}; ${consequence}`
}

function need({ images }: NeededBlob): string {
  if (images === 0) return 'no image needs it'
  return images === 1 ? '1 image needs it' : `${images} images need it`
}

function removal(isRepaired: boolean): string {
  return isRepaired ? 'removed, the next pull makes it again' : 'with --repair it is removed'
}
