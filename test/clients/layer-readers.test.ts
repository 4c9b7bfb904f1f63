import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gunzipSync, gzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib'
import { requestManifest } from '#test/anomaly/pull-image.ts'
import { startRegistry } from '#test/anomaly/registry-process.ts'
import { readArchive } from '#test/archives/read-archive.ts'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { skipUnless } from './availability.ts'
import { outputOf, runCommand } from './run-command.ts'
import { makeScratchDirectory } from './scratch-directory.ts'

// Empty and large files, noise, long and foreign names, and outputs that are files. The layer of the
// second image has the store paths of the first one's and more: it is joined from what is kept of them.
const first = 'many-blocks/odd-files/many-outputs/is-a-file'
const images = [first, `${first}/is-a-link/tool`]

const codecs = ['gzip', 'zstd'] as const
type Codec = (typeof codecs)[number]

interface Layer {
  readonly mediaType: string
  readonly file: string
  readonly diffId: string
  /** Over all names and contents. */
  readonly entriesDigest: string
}

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: ReadonlyArray<{ readonly digest: string; readonly mediaType: string }>
}

interface Config {
  readonly rootfs: { readonly diff_ids: readonly string[] }
}

/** A program that gets layer files as arguments and prints a line for each: what it made of it. */
interface Reader {
  readonly name: string
  readonly skip: string | false
  readonly reads: Codec
  readonly prints: 'diffId' | 'entriesDigest'
  readonly command: (directory: string) => Promise<readonly string[]>
}

const readWithPython = `
import hashlib, sys, tarfile
for layer in sys.argv[1:]:
    digest = hashlib.sha256()
    with open(layer, "rb") as file, tarfile.open(fileobj=file, mode="r|gz") as archive:
        for entry in archive:
            digest.update(entry.name.encode("utf-8", "surrogateescape") + b"\\n")
            if entry.isfile():
                digest.update(archive.extractfile(entry).read())
    print("sha256:" + digest.hexdigest())
`

// Reads one member, as it does unless told otherwise.
const readWithPerl = `
use strict; use Digest::SHA; use IO::Uncompress::Gunzip;
for my $layer (@ARGV) {
  my $member = IO::Uncompress::Gunzip->new($layer) or die;
  my $digest = Digest::SHA->new(256);
  my $status;
  while (($status = $member->read(my $bytes, 65536)) > 0) { $digest->add($bytes) }
  die "$status" if $status < 0;
  die "trailing data" if length $member->trailingData;
  print "sha256:", $digest->hexdigest, "\\n";
}
`

const readWithGo = `
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	for _, layer := range os.Args[1:] {
		file, err := os.Open(layer)
		check(err)
		rest := bufio.NewReader(file)
		member, err := gzip.NewReader(rest)
		check(err)
		member.Multistream(false)
		archive := tar.NewReader(member)
		digest := sha256.New()
		for {
			entry, err := archive.Next()
			if err == io.EOF {
				break
			}
			check(err)
			fmt.Fprintf(digest, "%s\\n", strings.TrimSuffix(entry.Name, "/"))
			_, err = io.Copy(digest, archive)
			check(err)
		}
		_, err = io.Copy(io.Discard, member)
		check(err)
		if _, err := rest.Peek(1); err != io.EOF {
			panic("more than one member")
		}
		fmt.Printf("sha256:%x\\n", digest.Sum(nil))
	}
}
`

const hashEach = (decompress: string) => async () => [
  'sh',
  '-euc',
  `for layer; do ${decompress} <"$layer" | sha256sum | sed 's/ .*//; s/^/sha256:/'; done`,
  'sh',
]

/** Interpreters come without modules, too. */
async function skipUnlessRuns(
  command: string,
  ...args: readonly string[]
): Promise<string | false> {
  const missing = skipUnless([command, 'setpriv'])
  if (missing !== false) return missing
  const { exitCode } = await runCommand(command, args)
  return exitCode !== 0 && `${command} ${args.join(' ')} fails here`
}

const readers: readonly Reader[] = [
  {
    name: 'GNU gzip',
    skip: skipUnless(['gzip', 'sha256sum']),
    reads: 'gzip',
    prints: 'diffId',
    command: hashEach('gzip --decompress'),
  },
  {
    name: 'zstd',
    skip: skipUnless(['zstd', 'sha256sum']),
    reads: 'zstd',
    prints: 'diffId',
    command: hashEach('zstd --decompress --quiet'),
  },
  {
    name: 'Perl, which stops after one member,',
    skip: await skipUnlessRuns('perl', '-MIO::Uncompress::Gunzip', '-MDigest::SHA', '-e1'),
    reads: 'gzip',
    prints: 'diffId',
    command: async () => ['perl', '-e', readWithPerl],
  },
  {
    name: 'Python’s streaming tarfile',
    skip: await skipUnlessRuns('python3', '-c', 'import tarfile, zlib'),
    reads: 'gzip',
    prints: 'entriesDigest',
    command: async () => ['python3', '-c', readWithPython],
  },
  {
    name: 'Go, told to read one member,',
    skip: skipUnless(['go']),
    reads: 'gzip',
    prints: 'entriesDigest',
    async command(directory) {
      const program = join(directory, 'read-layers.go')
      await writeFile(program, readWithGo)
      return ['go', 'run', program]
    },
  },
]

const skip = skipUnless(['nix-store', 'nix-instantiate', 'apt-get', 'dpkg-deb', 'setpriv'])

suite('layers', { skip, timeout: 900_000 }, () => {
  const resources = new AsyncDisposableStack()
  const layers = new Map<Codec, readonly Layer[]>()
  let directory: string

  before(async () => {
    directory = resources.use(await makeScratchDirectory()).path
    const setDirectory = join(directory, 'set')
    await mkdir(setDirectory)
    await prepareAwkwardSet(setDirectory)
    for (const codec of codecs) {
      await using registry = await startRegistry({
        environment: {
          NIXERY_STATE_DIRECTORY: join(directory, codec),
          NIXERY_PKGS_PATH: setDirectory,
          NIXERY_COMPRESSION: codec,
          NIXERY_LAYER_BUDGET: '1',
        },
      })
      const saved: Layer[] = []
      for (const image of images) {
        const prefix = join(directory, `${codec}-${saved.length}-`)
        saved.push(...(await saveLayers(registry.url, image, prefix)))
      }
      layers.set(codec, saved)
    }
  })
  after(() => resources.disposeAsync())

  const filesOf = (codec: Codec) => layers.get(codec)!.map(({ file }) => file)

  for (const { name, skip: absent, reads, prints, command } of readers) {
    test(`${name} reads ${reads}`, { skip: absent }, async () => {
      const [program = '', ...args] = await command(directory)
      const client = { run: (all: readonly string[]) => runCommand(program, all) }
      const lines = (await outputOf(client, [...args, ...filesOf(reads)])).trimEnd().split('\n')
      assert.deepEqual(
        lines,
        layers.get(reads)!.map((layer) => layer[prints]),
      )
    })
  }

  for (const codec of codecs) {
    // Only root can give files away as the layers say.
    const noTar = skipUnless(['tar', codec], { root: true })
    test(`GNU tar unpacks ${codec}`, { skip: noTar }, async () => {
      const target = join(directory, `unpacked-${codec}`)
      await mkdir(target)
      const tar = { run: (args: readonly string[]) => runCommand('tar', args) }
      // A layer must not make directories read-only in which a later one has something.
      const options = ['--delay-directory-restore', `--${codec}`, `--directory=${target}`]
      for (const file of filesOf(codec)) {
        await outputOf(tar, ['--extract', ...options, `--file=${file}`])
        await outputOf(tar, ['--compare', ...options, `--file=${file}`])
      }
    })
  }

  test('a browser reads gzip, which must have nothing after its first member', async () => {
    for (const { file, diffId } of layers.get('gzip')!) {
      assert.equal(await hashAsBrowser(await readFile(file)), diffId)
    }
    const two = Buffer.concat([gzipSync('one'), gzipSync('two')])
    await assert.rejects(hashAsBrowser(two), { code: 'ERR_TRAILING_JUNK_AFTER_STREAM_END' })
  })

  test('gzip is one member from the first byte to the last', async () => {
    for (const { file } of layers.get('gzip')!) assert.equal(countMembers(await readFile(file)), 1)
    assert.equal(countMembers(Buffer.concat([gzipSync('one'), gzipSync('two')])), 2)
  })

  test('zstd needs no more than 4 MiB of a reader', { skip: skipUnless(['zstd']) }, async () => {
    const zstd = { run: (args: readonly string[]) => runCommand('zstd', args) }
    await outputOf(zstd, ['--test', '--quiet', '--memory=4MiB', ...filesOf('zstd')])
  })

  test('there are layers of new store paths, of kept ones, and of links', async () => {
    for (const codec of codecs) {
      assert.equal(new Set(layers.get(codec)!.map(({ diffId }) => diffId)).size, 4)
      const kept = await readdir(join(directory, codec, 'segments'), {
        recursive: true,
        withFileTypes: true,
      })
      assert.ok(kept.some((entry) => entry.isFile()))
    }
  })

  test('archives are the same, whichever way they are compressed', () => {
    const [gzip = [], zstd = []] = codecs.map((codec) => layers.get(codec))
    assert.deepEqual(
      gzip.map(({ diffId }) => diffId),
      zstd.map(({ diffId }) => diffId),
    )
    assert.ok(gzip.every(({ mediaType }) => mediaType.endsWith('.tar+gzip')))
    assert.ok(zstd.every(({ mediaType }) => mediaType.endsWith('.tar+zstd')))
  })
})

/** Downloads the layers of an image into files whose names begin so. */
async function saveLayers(url: string, image: string, prefix: string): Promise<readonly Layer[]> {
  const getBlob = async (digest: string) => {
    const response = await fetch(`${url}/v2/${image}/blobs/${digest}`)
    return Buffer.from(await response.arrayBuffer())
  }
  const manifest = (await (await requestManifest(url, image)).json()) as Manifest
  const config = JSON.parse((await getBlob(manifest.config.digest)).toString()) as Config
  const layers: Layer[] = []
  for (const [index, { digest, mediaType }] of manifest.layers.entries()) {
    const bytes = await getBlob(digest)
    const archive = mediaType.endsWith('gzip') ? gunzipSync(bytes) : zstdDecompressSync(bytes)
    const diffId = config.rootfs.diff_ids[index]!
    assert.deepEqual([digestOf(bytes), digestOf(archive)], [digest, diffId])
    const file = `${prefix}${index}`
    await writeFile(file, bytes)
    layers.push({ mediaType, file, diffId, entriesDigest: digestEntries(archive) })
  }
  return layers
}

function digestEntries(archive: Buffer): string {
  const hash = createHash('sha256')
  for (const { path, contents } of readArchive(archive)) {
    hash.update(`${path.replace(/\/$/, '')}\n`, 'latin1').update(contents)
  }
  return `sha256:${hash.digest('hex')}`
}

async function hashAsBrowser(bytes: Buffer): Promise<string> {
  const stream = new Blob([new Uint8Array(bytes)]).stream()
  const hash = createHash('sha256')
  for await (const chunk of stream.pipeThrough(new DecompressionStream('gzip'))) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

/** Members of a gzip file without optional fields; throws on anything that is none. */
function countMembers(bytes: Buffer): number {
  let members = 0
  for (let start = 0; start < bytes.length; members += 1) {
    // RFC 1952, 2.3: ten bytes without flags, deflate until it says that it ends, CRC and size.
    assert.deepEqual([...bytes.subarray(start, start + 4)], [0x1f, 0x8b, 8, 0])
    const rest = bytes.subarray(start + 10)
    const { engine } = inflateRawSync(rest, { info: true }) as unknown as {
      readonly engine: { readonly bytesWritten: number }
    }
    start += 10 + engine.bytesWritten + 8
    assert.ok(start <= bytes.length, 'a member has a trailer')
  }
  return members
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
