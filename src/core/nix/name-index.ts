import { foldAttributeName } from './attribute-path.ts'
import { distanceBound, letterSet, mayBeNear, nearestOf } from './near-names.ts'

/** Any odd number; it spreads the letters over the 32 bits. */
const base = 0x01000193

/** A request looks at no more listed names, whatever a set holds: some milliseconds. */
const mostListed = 50_000

/** Some milliseconds. */
const namesPerPause = 4096

/**
 * Finds near names without comparing with every name. Of two names at a distance of at most three,
 * the first or the second halves are at a distance of at most one, so they are equal after one letter
 * or none is left out of each:
 *
 *     python3 | packages      found by   pytho3 | … , among the names of 15 letters
 *     pytho3n | packages                 pytho3 | …
 *
 * Every name is listed under each such rest of its halves, by a hash that also has its length and
 * which half it is; a look-up takes some hundred lists. What a hash confuses, the distance tells apart.
 *
 * Measured with 100,000 generated names of 15 letters, half of them in five families (`librust-…`):
 * 11 MB beside the names, 0.3 s to build in steps of up to 30 ms, 1 ms for a look-up and 10 ms for one
 * in a hundred. Comparing with every name took 32 ms.
 */
export class NameIndex {
  /** Folded, each once. */
  readonly #names: readonly string[]
  readonly #letters: Int32Array
  readonly #mask: number
  /** Where the list of each bucket begins in `#listed`; the last one ends where that does. */
  readonly #starts: Uint32Array
  readonly #listed: Uint32Array

  private constructor(
    names: readonly string[],
    letters: Int32Array,
    starts: Uint32Array,
    listed: Uint32Array,
  ) {
    this.#names = names
    this.#letters = letters
    this.#starts = starts
    this.#listed = listed
    this.#mask = starts.length - 2
  }

  /** Calls `pause` now and then, because a large set takes a while and requests wait meanwhile. */
  static async build(names: Iterable<string>, pause: () => Promise<void>): Promise<NameIndex> {
    const distinct = new Set<string>()
    let count = 0
    for (const name of names) {
      distinct.add(foldAttributeName(name))
      if (++count % namesPerPause === 0) await pause()
    }
    const folded = [...distinct]
    const letters = new Int32Array(folded.length)
    const hashes = new Int32Array(folded.reduce((sum, name) => sum + restCount(name), 0))
    // A power of two: about two places for each bucket.
    const bucketCount = 2 ** Math.max(4, Math.ceil(Math.log2(hashes.length / 2 + 1)))
    const mask = bucketCount - 1
    const ends = new Uint32Array(bucketCount + 1)
    let place = 0
    for (const [id, name] of folded.entries()) {
      letters[id] = letterSet(name)
      const next = writeRestsOfName(name, hashes, place)
      for (; place < next; place++) ends[hashes[place]! & mask]! += 1
      if (id % namesPerPause === 0) await pause()
    }
    addUp(ends)
    // Each list is filled from its end, so that lists need no room beside their members.
    const listed = new Uint32Array(hashes.length)
    place = 0
    for (const [id, name] of folded.entries()) {
      for (const next = place + restCount(name); place < next; place++) {
        const bucket = hashes[place]! & mask
        ends[bucket]! -= 1
        listed[ends[bucket]!] = id
      }
      if (id % namesPerPause === 0) await pause()
    }
    return new NameIndex(folded, letters, ends, listed)
  }

  get size(): number {
    return this.#names.length
  }

  /** As `nearNames` over the names of the index. */
  near(wanted: string): readonly string[] {
    const target = foldAttributeName(wanted)
    return nearestOf(target, this.#candidates(target))
  }

  /** Short lists first: a half that many names share says little, and what it finds is farther away. */
  #candidates(target: string): Iterable<string> {
    const buckets = new Set(hashesOfTarget(target).map((hash) => hash & this.#mask))
    const sizeOf = (bucket: number) => this.#starts[bucket + 1]! - this.#starts[bucket]!
    const letters = letterSet(target)
    const bound = distanceBound(target.length)
    const ids = new Set<number>()
    let listed = 0
    for (const bucket of [...buckets].sort((a, b) => sizeOf(a) - sizeOf(b))) {
      listed += sizeOf(bucket)
      if (listed > mostListed) break
      const end = this.#starts[bucket + 1]!
      for (let place = this.#starts[bucket]!; place < end; place++) {
        const id = this.#listed[place]!
        if (mayBeNear(letters, this.#letters[id]!, bound)) ids.add(id)
      }
    }
    return ids.values().map((id) => this.#names[id]!)
  }
}

/** Makes sizes the places where things end that stand one after the other. */
function addUp(sizes: Uint32Array): void {
  let end = 0
  for (let index = 0; index < sizes.length; index++) {
    end += sizes[index]!
    sizes[index] = end
  }
}

/** Both halves as they are, and without each of their letters. */
function restCount(name: string): number {
  return name.length + 2
}

function writeRestsOfName(name: string, hashes: Int32Array, place: number): number {
  const middle = name.length >> 1
  const next = writeRests(name, 0, middle, 2 * name.length, hashes, place)
  return writeRests(name, middle, name.length, 2 * name.length + 1, hashes, next)
}

/** For every length and cut that a near name may have. */
function hashesOfTarget(target: string): readonly number[] {
  const size = target.length
  const bound = distanceBound(size)
  const rests = new Int32Array(size + 1)
  const hashes: number[] = []
  const add = (text: string, start: number, end: number, salt: number) => {
    const count = writeRests(text, start, end, salt, rests, 0)
    for (let index = 0; index < count; index++) hashes.push(rests[index]!)
  }
  for (let length = Math.max(0, size - bound); length <= size + bound; length++) {
    const middle = length >> 1
    // A half at distance one differs by one letter in its size at most.
    for (let shift = -1; shift <= 1; shift++) {
      const [first, second] = [middle + shift, size - (length - middle) + shift]
      if (first >= 0 && first <= size) {
        add(target, 0, first, 2 * length)
        add(swapAt(target, first), 0, first, 2 * length)
      }
      if (second >= 0 && second <= size) {
        add(target, second, size, 2 * length + 1)
        add(swapAt(target, second), second, size, 2 * length + 1)
      }
    }
  }
  return hashes
}

/** Neighbours that changed places across the cut would count in both halves. */
function swapAt(text: string, cut: number): string {
  if (cut < 1 || cut >= text.length) return text
  return text.slice(0, cut - 1) + text.charAt(cut) + text.charAt(cut - 1) + text.slice(cut + 1)
}

/**
 * Writes the hashes of a half as it is, and without each of its letters; gives the place after them.
 * The hash of a text is a polynomial in `base`, so that those of a beginning and an end give that of
 * both together.
 */
function writeRests(
  text: string,
  start: number,
  end: number,
  salt: number,
  hashes: Int32Array,
  place: number,
): number {
  let head = 0
  for (let index = start; index < end; index++) head = append(head, text.charCodeAt(index))
  let next = place
  hashes[next++] = mix(head, salt)
  let tail = 0
  let power = 1
  for (let index = end - 1; index >= start; index--) {
    const code = text.charCodeAt(index)
    head = Math.imul(head - code, inverse)
    hashes[next++] = mix((Math.imul(head, power) + tail) | 0, salt)
    tail = (tail + Math.imul(code, power)) | 0
    power = Math.imul(power, base)
  }
  return next
}

function append(hash: number, code: number): number {
  return (Math.imul(hash, base) + code) | 0
}

/** Undoes a multiplication by `base`: odd numbers have an inverse modulo 2^32 (Newton's method). */
const inverse = [1, 2, 3, 4, 5].reduce((x) => Math.imul(x, 2 - Math.imul(base, x)), base)

/** The last step of MurmurHash3: each bit of the input changes half of those that come out. */
function mix(hash: number, salt: number): number {
  let mixed = hash ^ Math.imul(salt + 1, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
