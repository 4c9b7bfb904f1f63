import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseStorePath, type StorePath } from '#core/nix/store-path.ts'
import type { TarEntry } from '#core/tar/tar-entry.ts'
import { makeRootLayer, type RootLayer } from './make-root-layer.ts'
import type { StoreEntry, StoreFiles } from './ports/store-files.ts'

const { signal } = new AbortController()

test('makeRootLayer() links what packages provide and what they propagate, first come first', async () => {
  const store = makeStore({
    git: { bin: { git: '', sh: '' }, 'nix-support': { 'propagated-user-env-packages': 'perl' } },
    bash: { bin: { bash: '', sh: '' } },
    perl: { bin: { perl: '', git: '' }, 'nix-support': { 'propagated-user-env-packages': 'libc' } },
    libc: { bin: { ldd: '', perl: '' } },
  })
  await checkRoot(store, ['git', 'bash'], {
    'bin/bash': at('bash', 'bin/bash'),
    'bin/git': at('git', 'bin/git'),
    'bin/ldd': at('libc', 'bin/ldd'),
    'bin/perl': at('perl', 'bin/perl'),
    'bin/sh': at('bash', 'bin/sh'),
    'usr/bin': '../bin',
  })
})

test('makeRootLayer() keeps links out of the store that lead somewhere in the image', async () => {
  const store = makeStore({
    awk: {
      bin: {
        awk: '-> /etc/alternatives/awk',
        mawk: '',
        nawk: '-> /etc/alternatives/nawk',
        pager: '-> /usr/share/awk/deep/pager',
        loop: '-> /bin/loop',
        far: '-> /usr/share/awk/away/target',
      },
      etc: { alternatives: { awk: '-> /usr/bin/mawk', nawk: '-> /usr/bin/gone' } },
      share: { awk: { deep: { pager: '' }, away: '-> /etc/real' } },
    },
    other: { etc: { real: { target: '' } }, bin: { pager: '-> /nowhere' } },
  })
  await checkRoot(store, ['awk', 'other'], {
    'bin/awk': '/etc/alternatives/awk',
    'bin/far': '/usr/share/awk/away/target',
    'bin/mawk': at('awk', 'bin/mawk'),
    'bin/pager': '/usr/share/awk/deep/pager',
    'etc/alternatives/awk': '/usr/bin/mawk',
    'etc/real/target': at('other', 'etc/real/target'),
    'share/awk': at('awk', 'share/awk'),
    'usr/bin': '../bin',
    'usr/share': '../share',
  })
})

test('makeRootLayer() does not follow links that lead in circles', async () => {
  const store = makeStore({
    one: { etc: { one: { up: '-> ../..', self: '-> .', x: '' } } },
    two: { etc: { one: { up: '-> ../..', y: '' } } },
  })
  await checkRoot(store, ['one', 'two'], {
    'etc/one/self': at('one', 'etc/one/self'),
    'etc/one/up': at('one', 'etc/one/up'),
    'etc/one/x': at('one', 'etc/one/x'),
    'etc/one/y': at('two', 'etc/one/y'),
  })
})

test('makeRootLayer() says what the image config needs to know', async () => {
  const store = makeStore({
    bash: { bin: { bash: '' } },
    cacert: { etc: { ssl: { certs: { 'ca-bundle.crt': '' } } } },
  })
  const factsOf = async (...names: string[]) => {
    const packages = names.map((name) => [storePath(name)])
    return (await makeRoot(packages, store.files)).facts
  }
  assert.deepEqual(await factsOf(), { bash: false, caBundle: false })
  assert.deepEqual(await factsOf('bash'), { bash: true, caBundle: false })
  assert.deepEqual(await factsOf('bash', 'cacert'), { bash: true, caBundle: true })
})

test('makeRootLayer() stops with its signal', async () => {
  const store = makeStore({ deep: { etc: { a: { b: { c: '' } } } } })
  const build = new AbortController()
  const listed: string[] = []
  const files: StoreFiles = {
    ...store.files,
    async list(directory) {
      listed.push(directory)
      if (directory.endsWith('/a')) build.abort(new Error('nobody waits'))
      return store.files.list(directory)
    },
  }
  await assert.rejects(makeRootLayer([[storePath('deep')]], files, build.signal), /nobody waits/)
  assert.ok(!listed.some((directory) => directory.endsWith('/b')), listed.join())
})

test('makeRootLayer() ends with an outcome when packages hold names without end', async () => {
  const names = Array.from({ length: 100_000 }, (_, index): StoreEntry => ({
    name: `${index}`,
    kind: 'file',
  }))
  const files: StoreFiles = {
    list: async () => [{ name: 'etc', kind: 'directory' }, ...names],
    propagated: async () => [],
  }
  const outcome = await makeRootLayer([[storePath('endless')]], files, signal)
  assert.equal(outcome.kind, 'too-many-names')
})

test('makeRootLayer() links nothing to an output that is a plain file', async () => {
  await checkRoot(makeStore({ script: '' }), ['script'], {})
})

test('makeRootLayer() gives sorted, unique, complete entries without dangling links', async () => {
  await fc.assert(
    fc.asyncProperty(randomStore(), async ({ trees, requested }) => {
      const store = makeStore(trees)
      const packages = requested.map((name) => [storePath(name)])
      const { entries } = await makeRoot(packages, store.files)
      const paths = entries.map(({ path }) => path)
      assert.deepEqual(paths, [...new Set(paths)].toSorted())
      const directories = new Set(entries.filter(isDirectory).map(({ path }) => path))
      for (const path of paths) {
        const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
        assert.ok(parent === '' || directories.has(parent), `${path} has a parent`)
      }
      const image = store.tree.withEntries(entries)
      for (const entry of entries) {
        if (entry.kind === 'symlink') assert.ok(image.resolve(entry.path), `${entry.path} leads on`)
      }
    }),
    { numRuns: 300 },
  )
})

test('makeRootLayer() does not depend on the order of the request', async () => {
  const shuffled = randomStore().chain(({ trees, requested }) =>
    fc.record({
      trees: fc.constant(trees),
      requested: fc.constant(requested),
      again: fc.shuffledSubarray(requested, { minLength: requested.length }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(shuffled, async ({ trees, requested, again }) => {
      const { files } = makeStore(trees)
      const make = (names: readonly string[]) => {
        const packages = names.map((name) => [storePath(name)])
        return makeRoot(packages, files)
      }
      assert.deepEqual(await make(again), await make(requested))
    }),
  )
})

test('makeRootLayer() shows every program of every package', async () => {
  await fc.assert(
    fc.asyncProperty(randomStore(), async ({ trees, requested }) => {
      const store = makeStore(trees)
      const packages = requested.map((name) => [storePath(name)])
      const { entries } = await makeRoot(packages, store.files)
      const image = store.tree.withEntries(entries)
      for (const name of requested) {
        for (const { name: program, kind } of await store.files.list(at(name, 'bin'))) {
          if (kind === 'file') assert.ok(image.resolve(`bin/${program}`), `bin/${program} is there`)
        }
      }
    }),
  )
})

async function makeRoot(
  packages: readonly (readonly StorePath[])[],
  files: StoreFiles,
): Promise<RootLayer> {
  const root = await makeRootLayer(packages, files, signal)
  assert.ok(root.kind === 'root-layer')
  return root
}

/** The links of the root, without those of the skeleton that are always there. */
async function checkRoot(
  store: FakeStore,
  requested: readonly string[],
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  const packages = requested.map((name) => [storePath(name)])
  const { entries } = await makeRoot(packages, store.files)
  const links = entries.filter((entry) => entry.kind === 'symlink' && entry.path !== 'var/run')
  assert.deepEqual(
    Object.fromEntries(
      links.map((entry) => [entry.path, entry.kind === 'symlink' && entry.target]),
    ),
    Object.hasOwn(expected, 'bin/bash') && !Object.hasOwn(expected, 'bin/sh')
      ? { ...expected, 'bin/sh': 'bash' }
      : expected,
  )
}

function isDirectory(entry: TarEntry): boolean {
  return entry.kind === 'directory'
}

function storePath(name: string): StorePath {
  return parseStorePath(`/nix/store/${'0'.repeat(32)}-${name}`)!
}

function at(name: string, path: string): string {
  return `${storePath(name)}/${path}`
}

/** A directory, the contents of a file, or a symbolic link written `-> target`. */
type Tree = string | { readonly [name: string]: Tree }

interface FakeStore {
  readonly tree: FileTree
  readonly files: StoreFiles
}

/** A store in memory whose paths are trees. */
function makeStore(trees: Readonly<Record<string, Tree>>): FakeStore {
  const paths = Object.entries(trees).map(([name, tree]) => [storePath(name).slice(11), tree])
  const tree = new FileTree({ nix: { store: Object.fromEntries(paths) } })
  const files: StoreFiles = {
    list: async (directory) => tree.list(directory),
    propagated: async (path) => {
      const file = tree.find(`${path}/nix-support/propagated-user-env-packages`)
      return typeof file === 'string' ? file.split(' ').map(storePath) : []
    },
  }
  return { tree, files }
}

type Place = { readonly path: readonly string[]; readonly node: Tree }

/** A file system in memory that follows links as Linux does. */
class FileTree {
  readonly #root: Tree

  constructor(root: Tree) {
    this.#root = root
  }

  withEntries(entries: readonly TarEntry[]): FileTree {
    const root = structuredClone(this.#root) as Record<string, Tree>
    for (const entry of entries) {
      const names = entry.path.split('/')
      const last = names.pop()!
      let directory = root
      for (const name of names) directory = directory[name] as Record<string, Tree>
      directory[last] =
        entry.kind === 'directory' ? {} : entry.kind === 'file' ? '' : `-> ${entry.target}`
    }
    return new FileTree(root)
  }

  find(path: string): Tree | undefined {
    return this.resolve(path)?.node
  }

  list(directory: string): StoreEntry[] {
    const found = this.resolve(directory)
    if (found === undefined || typeof found.node === 'string') return []
    return Object.keys(found.node)
      .toSorted()
      .map((name) => ({ name, ...this.#describe([...found.path, name]) }))
  }

  /** Where a path leads; stops with `outside` where a link leaves the store. */
  #describe(path: readonly string[]): Omit<StoreEntry, 'name'> {
    let outside: string | undefined
    const found = this.resolve(path.join('/'), (target) => {
      if (!`${target}/`.startsWith('/nix/store/')) outside ??= target
      return outside === undefined
    })
    if (outside !== undefined) return { kind: 'outside', target: outside }
    if (found === undefined) return { kind: 'dangling' }
    if (typeof found.node === 'string') return { kind: 'file' }
    const place = found.path.join('/')
    return place === path.join('/')
      ? { kind: 'directory' }
      : { kind: 'directory', target: `/${place}` }
  }

  resolve(path: string, mayFollow: (target: string) => boolean = () => true): Place | undefined {
    let place: Place[] = [{ path: [], node: this.#root }]
    let rest = splitPath(path)
    for (let steps = 0; steps < 500; steps += 1) {
      const [name, ...after] = rest
      const top = place.at(-1)!
      if (name === undefined) return top
      rest = after
      if (name === '..') {
        if (place.length > 1) place = place.slice(0, -1)
        continue
      }
      const node = typeof top.node === 'string' ? undefined : top.node[name]
      if (node === undefined) return undefined
      if (typeof node !== 'string' || !node.startsWith('-> ')) {
        place = [...place, { path: [...top.path, name], node }]
        continue
      }
      const target = node.slice('-> '.length)
      const from = target.startsWith('/') ? '' : `/${top.path.join('/')}/`
      rest = [...splitPath(target), ...rest]
      if (target.startsWith('/')) place = place.slice(0, 1)
      if (!mayFollow(normalize(`${from}${target}/${after.join('/')}`))) return undefined
    }
    return undefined
  }
}

function normalize(path: string): string {
  const names: string[] = []
  for (const name of splitPath(path)) {
    if (name === '..') names.pop()
    else names.push(name)
  }
  return `/${names.join('/')}`
}

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

/** Up to five packages with few names, so that they collide, and links of all kinds. */
function randomStore() {
  const packages = ['p1', 'p2', 'p3', 'p4', 'p5']
  const names = ['a', 'b', 'sh', 'bash', 'env', 'ssl', 'certs', 'ca-bundle.crt']
  const tops = ['bin', 'etc', 'lib', 'share', 'usr', 'var', 'nix', 'nix-support', 'root', 'a']
  const name = fc.constantFrom(...names)
  const below = fc.array(fc.constantFrom(...tops, ...names), { minLength: 1, maxLength: 3 })
  const target = fc
    .tuple(
      fc.constantFrom('/', '/usr/', '../', '../../', './', ...packages.map((p) => at(p, ''))),
      below,
    )
    .map(([start, path]) => `-> ${start}${path.join('/')}`)
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constant(''),
      target,
      fc.dictionary(name, tie('tree'), { maxKeys: 4 }),
    ),
  }))
  const propagated = fc.constantFrom(...packages).map((path) => ({
    'propagated-user-env-packages': path,
  }))
  const top = fc
    .tuple(fc.dictionary(fc.constantFrom(...tops), tree, { maxKeys: 5 }), fc.option(propagated))
    .map(([names, support]) => (support === null ? names : { ...names, 'nix-support': support }))
  return fc.record({
    trees: fc.record(Object.fromEntries(packages.map((path) => [path, top]))),
    requested: fc.uniqueArray(fc.constantFrom(...packages)),
  })
}
