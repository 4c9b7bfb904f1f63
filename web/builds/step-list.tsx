import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { isOver, type BuildProgress } from '#core/api/build-progress.ts'
import { printable } from '../page/printable.ts'
import { formatBytes, formatCount } from '../page/quantities.ts'
import { buildSteps, type ShownStep } from './build-steps.ts'
import { addSample, downloadRate, type DownloadSample } from './download-rate.ts'
import { LayerBars } from './layer-bars.tsx'
import { sumLayers } from './layer-rows.ts'

/** What the service does for a build, one step after the other, with how far it is. */
export function StepList({ progress }: { readonly progress: BuildProgress }) {
  const [queued, evaluating, realising, packing] = buildSteps(progress)
  const { derivations, layers } = progress
  return (
    <ol class="steps" aria-label="Steps of the build">
      <Step {...queued!} />
      <Step {...evaluating!}>
        {derivations !== undefined && <p>{formatCount(derivations, 'derivation')}</p>}
      </Step>
      <Step {...realising!}>
        <Realisation progress={progress} />
      </Step>
      <Step {...packing!}>{layers.length > 0 && <Packing progress={progress} />}</Step>
    </ol>
  )
}

interface StepProperties extends ShownStep {
  readonly children?: ComponentChildren
}

function Step({ title, state, children }: StepProperties) {
  const words = { ahead: 'to come', current: 'now', done: 'done', failed: 'ended here' }
  return (
    <li class={state} aria-current={state === 'current' ? 'step' : undefined}>
      <h2>
        {title} <span class="unseen">({words[state]})</span>
      </h2>
      {children}
    </li>
  )
}

/** Names of what happens at once; more of them would push everything else away. */
const mostNames = 6

function Realisation({ progress }: { readonly progress: BuildProgress }) {
  const { totals, builders, downloads } = progress
  const rate = useDownloadRate(progress)
  if (totals === undefined && builders.length === 0 && downloads.length === 0) return null
  const { buildsDone = 0, buildsExpected = 0 } = totals ?? {}
  const { downloadedBytes = 0, downloadExpectedBytes = 0 } = totals ?? {}
  return (
    <>
      {downloadExpectedBytes > 0 && (
        <div class="amount">
          <p>
            Downloaded {formatBytes(downloadedBytes)} of {formatBytes(downloadExpectedBytes)}
            {rate !== undefined && !isOver(progress) && `, ${formatBytes(rate)}/s`}
          </p>
          <progress aria-label="Downloaded" value={downloadedBytes} max={downloadExpectedBytes} />
        </div>
      )}
      <Names verb="Downloading" names={downloads} />
      {buildsExpected > 0 && (
        <div class="amount">
          <p>
            Built {buildsDone} of {formatCount(buildsExpected, 'package')}
          </p>
          <progress aria-label="Built" value={buildsDone} max={buildsExpected} />
        </div>
      )}
      <Names verb="Building" names={builders} />
    </>
  )
}

function Names({ verb, names }: { readonly verb: string; readonly names: readonly string[] }) {
  if (names.length === 0) return null
  const more = names.length - mostNames
  return (
    <p class="names">
      {verb}{' '}
      {names.slice(0, mostNames).map((name, index) => (
        <>
          {index > 0 && ', '}
          <code>{printable(name)}</code>
        </>
      ))}
      {more > 0 && ` and ${more} more`}
    </p>
  )
}

function useDownloadRate({ totals }: BuildProgress): number | undefined {
  const [samples, setSamples] = useState<readonly DownloadSample[]>([])
  const bytes = totals?.downloadedBytes
  useEffect(() => {
    if (bytes === undefined) return
    setSamples((samples) => addSample(samples, { atMs: Date.now(), bytes }))
  }, [bytes])
  return downloadRate(samples)
}

function Packing({ progress }: { readonly progress: BuildProgress }) {
  const { layers } = progress
  const { done, reused, doneBytes, allBytes } = sumLayers(layers)
  return (
    <>
      <div class="amount">
        <p>
          {done} of {formatCount(layers.length, 'layer')}
          {reused > 0 && `, ${reused} of them from other images`}; {formatBytes(doneBytes)} of{' '}
          {formatBytes(allBytes)}
        </p>
        <progress aria-label="Layers" value={done} max={layers.length} />
      </div>
      <LayerBars layers={layers} isEnded={isOver(progress)} />
    </>
  )
}
