import type { StorageFinding } from '#engine/storage-findings.ts'
import { formatByteSize } from './byte-size.ts'

/** One line: what is wrong with a storage, and what was done or can be done about it. */
export function describeFinding(finding: StorageFinding, isRepaired: boolean): string {
  switch (finding.kind) {
    case 'truncated-blob': {
      const { digest, sizeBytes, expectedBytes } = finding
      const of = expectedBytes === undefined ? '' : ` of ${expectedBytes}`
      return `truncated blob ${digest}: ${sizeBytes}${of} bytes are there; ${quarantine(isRepaired)}`
    }
    case 'corrupt-blob':
      return `corrupt blob ${finding.digest}: its ${formatByteSize(finding.sizeBytes)} are not what its name says; ${quarantine(isRepaired)}`
    case 'missing-blob':
      return `missing blob ${finding.digest}: it is needed and not there; the next pull makes it again`
    case 'dangling-manifest':
      return `dangling manifest ${nameImage(finding)}: ${describeLacks(finding.lacks)}; ${removal(isRepaired)}`
    case 'unreadable-entry':
      return `unreadable entry ${finding.folder}/${finding.key}: it is no entry; ${removal(isRepaired)}`
    case 'dangling-build':
      return `dangling build builds/${finding.key}: its layer ${finding.digest} is not there, or has another size; ${removal(isRepaired)}`
  }
}

function nameImage({ key, manifests }: StorageFinding & { readonly kind: 'dangling-manifest' }) {
  return key === undefined ? manifests.join(', ') : `manifests/${key}`
}

function describeLacks([first, ...others]: readonly string[]): string {
  const more = others.length > 0 ? ` and ${others.length} more` : ''
  return `it leads to ${first}${more}, not there or not what it should be`
}

function quarantine(isRepaired: boolean): string {
  return isRepaired
    ? 'moved into quarantine, the next pull makes it again'
    : 'with --repair it is moved into quarantine'
}

function removal(isRepaired: boolean): string {
  return isRepaired ? 'removed, the next pull makes it again' : 'with --repair it is removed'
}
