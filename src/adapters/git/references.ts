import { isReferenceName } from '#core/request/git-reference.ts'

/** The branches and tags of a repository with their commits; a tag's is the one that it stands for. */
export interface References {
  readonly branches: ReadonlyMap<string, string>
  readonly tags: ReadonlyMap<string, string>
  /** The commit of HEAD, and the branch that it is, when they were asked for. */
  readonly head?: string
  readonly headBranch?: string
}

/** What `git ls-remote --symref` prints. */
export function parseReferences(text: string): References {
  const branches = new Map<string, string>()
  const tags = new Map<string, string>()
  let head: { head: string } | undefined
  let headBranch: { headBranch: string } | undefined
  for (const line of text.split('\n')) {
    const [value = '', reference = ''] = line.split('\t')
    const branch = nameBelow('refs/heads/', reference)
    // The line after that of an annotated tag is about what it stands for.
    const tag = nameBelow('refs/tags/', reference.replace(/\^\{\}$/, ''))
    if (branch !== undefined) branches.set(branch, value)
    else if (tag !== undefined) tags.set(tag, value)
    else if (reference === 'HEAD' && !value.startsWith('ref: ')) head = { head: value }
    else if (reference === 'HEAD') {
      const target = nameBelow('refs/heads/', value.slice('ref: '.length))
      if (target !== undefined) headBranch = { headBranch: target }
    }
  }
  return { branches, tags, ...head, ...headBranch }
}

function nameBelow(folder: string, reference: string): string | undefined {
  const name = reference.slice(folder.length)
  return reference.startsWith(folder) && isReferenceName(name) ? name : undefined
}
