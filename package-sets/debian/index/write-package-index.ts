import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { PackageIndex } from './package-index.ts'

/**
 * How many files the packages of one architecture are spread over. Nix parses a whole file for
 * one package: with 1,024 files of about 18 kB, a closure of 90 packages reads under 2 MB instead
 * of all 18 MB.
 */
const shardCount = 1024

/**
 * Writes what `nix/default.nix` reads:
 *
 *     names.json        {"git": "1f3", …}       every package with its shard
 *     groups.json       {"libc6": {members, dependencies}, …}
 *     foundation.json   {interpreters, closure}
 *     shards/1f3.json   {"git": {version, file, …, "group": "…"}, …}
 */
export async function writePackageIndex(index: PackageIndex, directory: string): Promise<void> {
  await mkdir(join(directory, 'shards'), { recursive: true })
  const names: Record<string, string> = {}
  const shards = new Map<string, Record<string, unknown>>()
  for (const [name, entry] of index.entries) {
    const shard = shardOf(name)
    names[name] = shard
    const group = index.groupOf.get(name)
    const content = shards.get(shard) ?? {}
    content[name] = group === undefined ? entry : { ...entry, group }
    shards.set(shard, content)
  }
  await writeFile(join(directory, 'names.json'), JSON.stringify(names))
  await writeFile(
    join(directory, 'groups.json'),
    JSON.stringify(Object.fromEntries(index.groups), null, 1),
  )
  await writeFile(join(directory, 'foundation.json'), JSON.stringify(index.foundation, null, 1))
  for (const [shard, content] of shards) {
    await writeFile(join(directory, 'shards', `${shard}.json`), JSON.stringify(content))
  }
}

function shardOf(name: string): string {
  const digest = createHash('sha256').update(name).digest()
  return (digest.readUInt16BE(0) % shardCount).toString(16).padStart(3, '0')
}
