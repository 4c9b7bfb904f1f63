import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { commands, shells } from '#apps/cli/commands.ts'
import { skipUnless } from '#test/clients/availability.ts'
import { runCommand } from '#test/clients/run-command.ts'
import { makeScratchDirectory } from '#test/clients/scratch-directory.ts'
import { runNixery } from './run-nixery.ts'

suite('the command line', { skip: skipUnless(['setpriv']) }, () => {
  test('helps with every command, in two ways', async () => {
    for (const { name } of commands) {
      const asked = await runNixery(['help', name])
      assert.deepEqual([asked.exitCode, asked.stderr], [0, ''], name)
      assert.ok(asked.stdout.startsWith(`usage: nixery ${name}`), name)
      assert.match(asked.stdout, /^Exit codes:\n {2}0 /m, name)
      for (const line of asked.stdout.split('\n')) assert.ok(line.length <= 80, line)
      const given = await runNixery([name, '--help'])
      assert.deepEqual([given.exitCode, given.stdout], [0, asked.stdout], name)
    }
    const all = await runNixery(['--help'])
    for (const { name, summary } of commands)
      assert.ok(
        all.stdout.includes(`  ${name} `) && all.stdout.includes(summary.slice(0, 30)),
        name,
      )
    assert.match((await runNixery(['--version'])).stdout, /^nixery \d+\.\d+\.\d+\n$/)
  })

  test('says in one line what is wrong, and exits with 2', async () => {
    const table: ReadonlyArray<readonly [line: string, message: RegExp]> = [
      ['', /^a command is missing$/],
      ['bild x', /^there is no command bild; did you mean build\?$/],
      ['__proto__', /^there is no command __proto__$/],
      ['help bild', /^there is no command bild; did you mean build\?$/],
      ['serve now', /^now is too much/],
      ['build git --fast', /^there is no option --fast$/],
      ['build git --ouput x', /^there is no option --ouput; did you mean --output\?$/],
      [
        'watch localhost:8080/git',
        /^localhost:8080 is a server, .*: nixery watch git --server http:\/\/localhost:8080$/,
      ],
      ['watch git --server localhost:8080', /^--server localhost:8080 must be an http or https/],
      ['doctor me', /^me is too much/],
      ['completion tcsh', /^tcsh must be bash, zsh, fish$/],
    ]
    for (const [line, message] of table) {
      const { exitCode, stdout, stderr } = await runNixery(line.split(' ').filter(Boolean))
      assert.deepEqual([exitCode, stdout], [2, ''], line)
      const [first = '', empty, usage] = stderr.split('\n')
      assert.match(first.replace(/^nixery: /, ''), message, line)
      assert.equal(empty, '', line)
      assert.match(usage ?? '', /^usage: nixery /, line)
    }
  })

  test('exits with 1 and one line for settings that are wrong', async () => {
    const { exitCode, stderr } = await runNixery(['build', 'git'], { NIXERY_TAG: 'x' })
    assert.equal(exitCode, 1)
    assert.match(stderr, /^nixery: NIXERY_TAG is no setting: did you mean NIXERY_TAGS\?\n$/)
  })

  for (const shell of shells)
    test(
      `completion() gives ${shell} what it completes`,
      { skip: skipUnless([shell]) },
      async () => {
        await using scratch = await makeScratchDirectory()
        const script = join(scratch.path, `_nixery`)
        const { stdout } = await runNixery(['completion', shell])
        await writeFile(script, stdout)
        const parsed = await runCommand(shell, ['-n', script])
        assert.deepEqual([parsed.exitCode, parsed.stderr], [0, ''])
        assert.deepEqual(await complete(shell, script, ['bu']), ['build'])
        assert.deepEqual(await complete(shell, script, ['build', '--pl']), ['--platform'])
        assert.deepEqual((await complete(shell, script, ['completion', ''])).toSorted(), [
          'bash',
          'fish',
          'zsh',
        ])
        assert.deepEqual(
          (await complete(shell, script, ['build', 'x', '--output', 'doc'])).toSorted(),
          ['docker-archive:', 'docker://'],
        )
      },
    )
})

/** What a shell offers for the last word of a command line. */
async function complete(
  shell: (typeof shells)[number],
  script: string,
  words: readonly string[],
): Promise<readonly string[]> {
  const line = ['nixery', ...words]
  const quoted = line.map((word) => `'${word}'`).join(' ')
  const commandsOf = {
    bash: `source ${script}; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _nixery; printf '%s\\n' "\${COMPREPLY[@]}"`,
    fish: `source ${script}; complete -C '${line.join(' ')}' | cut -f1`,
    // Completion of zsh needs a line editor, so what it would add is caught instead.
    zsh: `
      compdef() { : }
      _describe() { local -a all; all=("\${(@P)2}"); for each in $all; do [[ $each == \${words[CURRENT]}* ]] && print -r -- "\${each%%:*}"; done; true }
      _arguments() {
        local previous=\${words[CURRENT-1]} word=\${words[CURRENT]} spec values
        for spec in "$@"; do
          if [[ $spec == "$previous"\\[* ]]; then values=\${\${spec##*:\\(}%\\)}; break; fi
          if [[ $word != -* && $spec == \\*:* ]]; then values=\${\${spec##*:\\(}%\\)}; fi
        done
        if [[ $word == -* ]]; then for spec in "$@"; do [[ $spec == $word* ]] && print -r -- "\${spec%%\\[*}"; done; return 0; fi
        for each in \${(z)values}; do each=\${each//\\\\:/:}; [[ $each == $word* ]] && print -r -- "$each"; done
        true
      }
      words=(${quoted}); CURRENT=${words.length + 1}
      source ${script}
      _nixery`,
  }
  const flags = shell === 'bash' ? ['--norc'] : shell === 'zsh' ? ['-f'] : ['--no-config']
  const { stdout, stderr, exitCode } = await runCommand(shell, [...flags, '-c', commandsOf[shell]])
  assert.equal(exitCode, 0, stderr)
  return stdout.split('\n').filter((word) => word !== '')
}
