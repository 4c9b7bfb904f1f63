import { printable } from './printable.ts'

/** A revision of packages: of a commit id the first digits, all of it for those who point at it. */
export function Revision({ revision }: { readonly revision: string }) {
  const short = revision.replace(/[0-9a-f]{40,}/, (id) => id.slice(0, 12))
  return <code title={printable(revision)}>{printable(short)}</code>
}
