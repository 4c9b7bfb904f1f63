import './require-node.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projectRoot } from './project-root.js'
import { nodeExitCode } from './run-node.js'
import { setUp } from './set-up.js'

// What the machine serves otherwise is no part of the image.
const otherSources = [
  'NIXERY_CHANNEL',
  'NIXERY_PKGS_REPO',
  'NIXERY_SOURCES',
  'NIXERY_TAGS',
  'NIXERY_ANY_COMMIT',
]

// `npm run image`: `nixery build` of the service itself, with the arguments of that command.
const given = process.argv.slice(2)
const arguments_ = given.length > 0 ? given : ['--output', 'docker-archive:nixery.tar']

setUp('serve')
const service = join(projectRoot, 'deploy', 'service-image')
const set = mkdtempSync(join(tmpdir(), 'nixery-image-'))
try {
  process.exitCode = await nodeExitCode([join(service, 'gather-set.ts'), set])
  if (process.exitCode === 0) {
    for (const name of otherSources) delete process.env[name]
    process.env.NIXERY_PKGS_PATH = set
    process.env.NIXERY_IMAGES_DIR = join(service, 'images')
    const main = join(projectRoot, 'src', 'main.ts')
    process.exitCode = await nodeExitCode([main, 'build', 'nixery', ...arguments_])
  }
} finally {
  rmSync(set, { recursive: true, force: true })
}
