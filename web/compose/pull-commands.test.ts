import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReference, pullCommands } from './pull-commands.ts'

const secure = { host: 'registry.example', isSecure: true }
const plain = { host: '127.0.0.1:8080', isSecure: false }

function write(registry: typeof secure, tool: string, tag = 'latest', hasShell = true): string {
  const command = pullCommands(registry, hasShell).find((command) => command.tool === tool)!
  const components = hasShell ? ['shell', 'git'] : ['git']
  const reference = formatReference(registry, components, tag, tool)
  return command.before + reference + command.after
}

const commands: readonly (readonly [string, string])[] = [
  [write(secure, 'Docker'), 'docker pull registry.example/shell/git'],
  [write(plain, 'Docker'), 'docker pull 127.0.0.1:8080/shell/git'],
  [write(secure, 'Docker', 'v1'), 'docker pull registry.example/shell/git:v1'],
  [write(secure, 'Run'), 'docker run --rm -it registry.example/shell/git bash'],
  [write(secure, 'Run', 'latest', false), 'docker run --rm -it registry.example/git <program>'],
  [write(secure, 'Podman'), 'podman pull registry.example/shell/git'],
  [write(plain, 'Podman'), 'podman pull --tls-verify=false 127.0.0.1:8080/shell/git'],
  [write(secure, 'containerd'), 'ctr image pull registry.example/shell/git:latest'],
  [write(plain, 'containerd'), 'ctr image pull --plain-http 127.0.0.1:8080/shell/git:latest'],
]
for (const [written, expected] of commands) {
  test(`pullCommands() writes ${expected}`, () => assert.equal(written, expected))
}

test('pullCommands() keeps a shell alive in Kubernetes, and asks for a program without one', () => {
  assert.match(write(secure, 'Kubernetes'), /image: registry\.example\/shell\/git\n.*sleep/)
  assert.match(write(secure, 'Kubernetes', 'latest', false), /\n    command: \[<program>\]$/)
})
