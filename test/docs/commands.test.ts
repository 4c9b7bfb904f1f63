import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { skipUnless } from '#test/clients/availability.ts'
import { dockerdCommands } from '#test/clients/dockerd.ts'
import { drawTerminal, type TypedCommand } from './draw-terminal.ts'
import {
  isShownOutput,
  listPages,
  parseCommands,
  readPageBlocks,
  type PageBlock,
} from './page-blocks.ts'
import { openPageTerminal, type PageTerminal } from './page-terminal.ts'

/**
 * Every block of commands is typed here, page by page, and prints what the page shows. Marks in the
 * source say otherwise:
 *
 *   needs: …    not run, since it needs something that is not on a test's machine
 *   ends: 1     is run, and its last command ends with that exit code
 *   file: x     a block of any language that is written to x, in the directory of the commands before it
 */
const marks = ['needs', 'ends', 'file']

const pictures =
  process.env['WRITE_PICTURES'] === undefined
    ? join(import.meta.dirname, '..', 'artefacts')
    : join(import.meta.dirname, '..', '..', 'docs', 'pictures')

let opened: Promise<PageTerminal> | undefined
after(async () => (await opened)?.[Symbol.asyncDispose]())

for (const page of listPages()) {
  const blocks = readPageBlocks(page)
  const steps = blocks.filter((block) => block.mark?.word === 'file' || isRun(block))
  for (const { line, mark } of blocks) {
    if (mark === undefined) continue
    test(`${page}:${line} has a mark that means something`, () => {
      assert.ok(marks.includes(mark.word), mark.word)
    })
  }
  if (!steps.some(isRun)) continue

  suite(page, { skip: skipUnless(programsOf(steps), { root: true }) }, () => {
    const typed: TypedCommand[] = []
    let terminal: PageTerminal
    before(async () => {
      terminal = await (opened ??= openPageTerminal())
      await terminal.turnPage()
    })

    for (const block of steps) {
      if (!isRun(block)) {
        test(`line ${block.line}: ${block.mark?.value}`, async () => {
          await terminal.writeFile(block.mark!.value, block.text)
        })
        continue
      }
      const commands = parseCommands(block.text)
      commands.forEach(({ command, output }, index) => {
        test(`line ${block.line}: ${command}`, async () => {
          const { stdout, stderr, exitCode } = await terminal.run(command)
          if (stdout + stderr !== '') typed.push({ command, printed: `${stdout}${stderr}` })
          const isLast = index === commands.length - 1
          const expected = isLast && block.mark?.word === 'ends' ? Number(block.mark.value) : 0
          assert.equal(exitCode, expected, `${stdout}${stderr}`)
          // Programs tell their progress on the one or the other, and pages leave it out.
          const printed = [stdout, stderr, `${stdout}${stderr}`]
          if (output === '') return
          assert.ok(
            printed.some((text) => isShownOutput(output, text)),
            `the page shows\n${output}\nit prints\n${stdout}${stderr}`,
          )
        })
      })
    }

    if (page !== 'README.md') return
    test('is drawn, into docs/pictures when WRITE_PICTURES is set', () => {
      mkdirSync(pictures, { recursive: true })
      writeFileSync(join(pictures, 'terminal.svg'), drawTerminal(typed))
    })
  })
}

function isRun({ language, mark }: PageBlock): boolean {
  return (language === 'console' || language === 'sh') && mark?.word !== 'needs'
}

/** What has to be on the machine for all of them. */
function programsOf(blocks: readonly PageBlock[]): readonly string[] {
  const text = blocks
    .filter(isRun)
    .map((block) => block.text)
    .join('')
  const programs = ['skopeo', 'podman', 'curl', 'git'].filter((name) =>
    new RegExp(`\\b${name} `).test(text),
  )
  return [...programs, ...(/\bdocker /.test(text) ? dockerdCommands : [])]
}
