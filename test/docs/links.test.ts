import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { formatHeadingId } from '../../site/heading-id.ts'

const root = join(import.meta.dirname, '..', '..')

// Those of docs/ are looked at as the site that is made of them.
for (const page of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'deploy/README.md']) {
  test(`${page} leads nowhere that does not exist`, () => {
    const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)]
    const broken = links.map(([, link = '']) => link).filter((link) => !leadsSomewhere(page, link))
    assert.deepEqual(broken, [])
  })
}

function leadsSomewhere(page: string, link: string): boolean {
  if (/^https:\/\/.*\./.test(link)) return true
  const [path = '', id] = link.split('#')
  const target = path === '' ? join(root, page) : join(root, dirname(page), path)
  if (id === undefined || !existsSync(target)) return existsSync(target)
  const headings = readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)
  return [...headings].some(([, heading = '']) => formatHeadingId(heading) === id)
}
