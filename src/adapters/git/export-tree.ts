import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeGitEnd, gitError, runGit, type GitSetting } from './run-git.ts'

// A hundred thousand files on a slow disk.
const exportTimeoutMs = 15 * 60 * 1000

/** What decides how files are written, against the settings of users. */
const exactSettings = [
  'core.autocrlf=false',
  'core.symlinks=true',
  'core.ignoreCase=false',
  'core.fileMode=true',
  'core.sparseCheckout=false',
  // Names that only Windows and macOS cannot hold are names.
  'core.protectNTFS=false',
  'core.protectHFS=false',
]

/** The same for the attributes in the tree: no line ends, encodings, keywords or filters. */
const exactAttributes = '* -text -eol -ident -filter -working-tree-encoding\n'

/** Names that no directory can hold, or that would lead out of it. */
export class UnfitTree extends Error {}

/**
 * Writes the files of a commit or tree into `directory`, which is there and empty: the exact bytes,
 * symbolic links and the executable bit. It goes through a repository of its own that borrows the
 * objects, so that neither the index nor the settings of the lender play a part, and exports do not
 * disturb each other.
 */
export async function exportTree(
  setting: GitSetting,
  { objects, tree, directory }: { objects: string; tree: string; directory: string },
  signal: AbortSignal,
): Promise<void> {
  const repository = `${directory}.git-${randomUUID()}`
  const git = async (...args: readonly string[]): Promise<void> => {
    const command = { args, config: exactSettings, timeoutMs: exportTimeoutMs }
    const end = await runGit(setting, command, signal)
    if (end.kind === 'succeeded') return
    if (end.kind === 'printed-too-much') throw new UnfitTree(`${tree} has too many files`)
    if (/invalid path|File name too long/.test(end.stderrTail))
      throw new UnfitTree(`the files of ${tree} cannot be written: ${describeGitEnd(end)}`)
    throw gitError(`cannot write ${tree}`, end)
  }
  try {
    await git('init', '--quiet', '--bare', '--template=', '--', repository)
    await mkdir(join(repository, 'info'), { recursive: true })
    await writeFile(join(repository, 'info', 'attributes'), exactAttributes)
    await writeFile(join(repository, 'objects', 'info', 'alternates'), `${objects}\n`)
    const inRepository = [`--git-dir=${repository}`, `--work-tree=${directory}`]
    // A few kilobytes of trees can name each other for a hundred million files: the list of names is
    // bounded before anything is made of it, at some 500,000.
    await git(...inRepository, 'ls-tree', '-r', '-z', '--name-only', tree)
    await git(...inRepository, 'read-tree', tree)
    await git(...inRepository, 'checkout-index', '--all', '--force', '--quiet')
  } finally {
    await rm(repository, { recursive: true, force: true })
  }
}
