import { readFile } from 'node:fs/promises'
import { argv, cpuUsage, env, stdout } from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { systemClock } from '#adapters/time/system-clock.ts'
import { createClaims } from '#engine/claim-blobs.ts'
import { packLayer } from '#engine/pack-layer.ts'
import { readConfig } from '../../src/config.ts'
import { openPacker } from '../../src/open-packer.ts'
import { openServedStorage } from '../../src/open-storage.ts'
import type { Figure } from '../figure.ts'
import type { MeasuredLayer } from '../stored-layers.ts'

// Packs and stores layers as a build does, from its plan to the last published layer: the product with
// its settings from the environment, without Nix and HTTP. What it takes to start is not counted.

const layers = JSON.parse(await readFile(argv[2] ?? '', 'utf8')) as readonly MeasuredLayer[]
const config = readConfig(env)
await using opened = new AsyncDisposableStack()
const storage = await openServedStorage(config, { observe: () => {} })
opened.defer(() => storage.close())
const packer = await openPacker(config)
opened.defer(() => packer.close())
const claims = createClaims(storage.upkeep, { nowMs: Date.now, clock: systemClock })
const tools = { ...storage, claims, packer, compression: config.compression }
const { signal } = new AbortController()
// A build does it while Nix evaluates, which takes longer.
packer.warmUp()
await setTimeout(500)

const startedAtMs = performance.now()
const before = cpuUsage()
const stored = await Promise.all(
  layers.map((paths) => packLayer(tools, { kind: 'store-paths', paths }, () => {}, signal)),
)
const { user, system } = cpuUsage(before)
const figures: readonly Figure[] = [
  { name: 'time', unit: 's', value: (performance.now() - startedAtMs) / 1000 },
  { name: 'processor time', unit: 's', value: (user + system) / 1e6 },
  {
    name: 'output',
    unit: 'MB',
    value: stored.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 1e6,
  },
]
stdout.write(JSON.stringify(figures))
