/** One node of a `flake.lock`; the root has only inputs. */
export interface FlakeLockNode {
  /** What Nix fetches: `type` and what belongs to it; not there for the root and for unlocked inputs. */
  readonly locked: Readonly<Record<string, unknown>> | undefined
  /** False for inputs that are only files. */
  readonly isFlake: boolean
  /** For a relative `path` input, the node whose tree the path is in. */
  readonly parent: string | undefined
  /** Names of inputs and the nodes that they are, `follows` resolved. */
  readonly inputs: ReadonlyMap<string, string>
}

/** A lock file whose every reference leads to a node. */
export interface FlakeLock {
  readonly root: string
  readonly nodes: ReadonlyMap<string, FlakeLockNode>
}

export type FlakeLockOutcome =
  | { readonly kind: 'lock'; readonly lock: FlakeLock }
  | { readonly kind: 'invalid'; readonly message: string }

/** A `follows` path may lead over others; one that is longer than this goes in a circle. */
const mostFollowed = 100

/** The lock of a flake without inputs, which Nix writes no file for. */
export const emptyFlakeLock: FlakeLock = {
  root: 'root',
  nodes: new Map([
    ['root', { locked: undefined, isFlake: true, parent: undefined, inputs: new Map() }],
  ]),
}

/** Reads the JSON of a `flake.lock` of version 5, 6 or 7. */
export function parseFlakeLock(value: unknown): FlakeLockOutcome {
  try {
    return { kind: 'lock', lock: readLock(value) }
  } catch (error) {
    if (error instanceof InvalidLock) return { kind: 'invalid', message: error.message }
    throw error
  }
}

/** The nodes that the root leads to, in the order of the file, without the root itself. */
export function reachableNodes(lock: FlakeLock): readonly string[] {
  const seen = new Set([lock.root])
  // A set grows while it is walked.
  for (const name of seen) {
    for (const input of lock.nodes.get(name)?.inputs.values() ?? []) seen.add(input)
  }
  return [...lock.nodes.keys()].filter((name) => seen.has(name) && name !== lock.root)
}

class InvalidLock extends Error {}

type RawInput = string | readonly string[]

interface RawNode {
  readonly locked: Readonly<Record<string, unknown>> | undefined
  readonly isFlake: boolean
  readonly parent: readonly string[] | undefined
  readonly inputs: ReadonlyMap<string, RawInput>
}

function readLock(value: unknown): FlakeLock {
  const file = readObject(value, 'the file')
  const { version, root } = file
  if (version !== 5 && version !== 6 && version !== 7) {
    throw new InvalidLock(`its version is ${JSON.stringify(version)}, not 5, 6 or 7`)
  }
  const entries = Object.entries(readObject(file['nodes'], 'nodes'))
  const raw = new Map(entries.map(([name, node]) => [name, readNode(name, node)]))
  if (typeof root !== 'string' || !raw.has(root)) throw new InvalidLock('it has no root node')
  const follow = (input: RawInput) => resolveInput(raw, root, input, { count: 0 })
  const nodes = [...raw].map(([name, node]) => {
    const inputs = new Map([...node.inputs].map(([input, target]) => [input, follow(target)]))
    const { locked, isFlake } = node
    const parent = node.parent && follow(node.parent)
    return [name, { locked, isFlake, parent, inputs }] as const
  })
  return { root, nodes: new Map(nodes) }
}

function readNode(name: string, value: unknown): RawNode {
  const node = readObject(value, `node ${name}`)
  const inputs = Object.entries(readObject(node['inputs'] ?? {}, `inputs of ${name}`))
  const { locked, parent, flake } = node
  return {
    locked: locked === undefined ? undefined : readObject(locked, `locked of ${name}`),
    isFlake: flake !== false,
    parent: parent === undefined || parent === null ? undefined : readPath(parent, name),
    inputs: new Map(inputs.map(([input, target]) => [input, readInput(target, name)])),
  }
}

function readInput(value: unknown, node: string): RawInput {
  return typeof value === 'string' ? value : readPath(value, node)
}

function readPath(value: unknown, node: string): readonly string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value
  throw new InvalidLock(`an input of ${node} is neither a node nor a path of inputs`)
}

function readObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new InvalidLock(`${what} is not an object`)
}

/** A node's name is itself; a list is a path of inputs from the root, whose steps may be such lists. */
function resolveInput(
  nodes: ReadonlyMap<string, RawNode>,
  root: string,
  input: RawInput,
  steps: { count: number },
): string {
  steps.count += 1
  if (steps.count > mostFollowed) throw new InvalidLock('its inputs follow each other in a circle')
  if (typeof input === 'string') {
    if (!nodes.has(input)) throw new InvalidLock(`there is no node ${input}`)
    return input
  }
  let node = root
  for (const name of input) {
    const next = nodes.get(node)?.inputs.get(name)
    if (next === undefined) throw new InvalidLock(`${node} has no input ${name} to follow`)
    node = resolveInput(nodes, root, next, steps)
  }
  return node
}
