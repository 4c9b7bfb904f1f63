/** For tests: does a program find its interpreter, libraries and modules? */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

import { runInRoot, type ProgramEnd } from './run-in-root.ts'

/** What programs understand that then end at once. */
const starters = ['--version', '--help', '-V', '-h', 'help', '-version']

const brokenPattern = new RegExp(
  [
    'error while loading shared libraries',
    'symbol lookup error',
    'bad interpreter',
    String.raw`Can't locate \S+\.pm`,
    'ModuleNotFoundError',
    'ImportError',
    'cannot load such file',
    'chroot: failed to run command',
    'bin/env: .*No such file or directory',
    String.raw`(: |command )not found\b`,
  ].join('|'),
)

/** The names in `bin` of a store path, the namesake of the package first, then in order. */
export function programsOf(output: string, name: string): readonly string[] {
  const bin = join(output, 'bin')
  const names = existsSync(bin) ? readdirSync(bin).sort() : []
  return [...names.filter((each) => each === name), ...names.filter((each) => each !== name)]
}

/** `undefined` when the program starts inside the root, else one line that says how it fails. */
export function startProgram(root: string, program: string): string | undefined {
  let end: ProgramEnd | undefined
  for (const starter of starters) {
    end = runInRoot(root, [`/bin/${program}`, starter])
    if (hasStarted(end)) return undefined
  }
  const lastLine = end?.output.trimEnd().split('\n').at(-1) ?? ''
  return `exit code ${end?.exitCode}: ${lastLine.slice(0, 200)}`
}

/** Succeeded, or at least said what it wants instead. */
function hasStarted(end: ProgramEnd): boolean {
  return !brokenPattern.test(end.output) && (end.exitCode === 0 || end.output.trim() !== '')
}
