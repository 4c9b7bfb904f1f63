import type { TargetedKeyboardEvent } from 'preact'
import { useId, useRef, useState } from 'preact/hooks'
import { CopyButton } from '../page/copy-button.tsx'
import { formatReference, programBlank, pullCommands } from './pull-commands.ts'

interface Properties {
  readonly components: readonly string[]
  readonly tag: string
}

const registry = { host: location.host, isSecure: location.protocol === 'https:' }

/** How several tools get the image, one at a time. */
export function CommandTabs({ components, tag }: Properties) {
  const [chosen, setChosen] = useState(0)
  const id = useId()
  const tabs = useRef<HTMLDivElement>(null)
  const commands = pullCommands(registry, components.includes('shell'))
  const { tool, before, after } = commands[chosen]!
  const reference = formatReference(registry, components, tag, tool)

  function onKeyDown(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    const targets = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: -1 }
    const target = targets[event.key as keyof typeof targets]
    if (target === undefined) return
    event.preventDefault()
    const next = (target + commands.length) % commands.length
    setChosen(next)
    ;(tabs.current?.children[next] as HTMLElement | undefined)?.focus()
  }

  return (
    <div class="command">
      <div role="tablist" aria-label="Tool" ref={tabs} onKeyDown={onKeyDown}>
        {commands.map(({ tool }, index) => (
          <button
            key={tool}
            type="button"
            role="tab"
            id={`${id}-${index}`}
            aria-selected={index === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={index === chosen ? 0 : -1}
            onClick={() => setChosen(index)}
          >
            {tool}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} class="panel">
        <pre tabIndex={0} aria-label={`${tool} command`}>
          <code>
            {before}
            <Reference reference={reference} />
            <After text={after} />
          </code>
        </pre>
        <CopyButton text={before + reference + after} />
        {after.includes(programBlank) && (
          <p class="hint">
            Name the program: without <code>shell</code> an image starts nothing by itself.
          </p>
        )}
      </div>
    </div>
  )
}

function After({ text }: { readonly text: string }) {
  const [start, end] = text.split(programBlank)
  if (end === undefined) return text
  return (
    <>
      {start}
      <mark>{programBlank}</mark>
      {end}
    </>
  )
}

/** Long names break at their slashes. */
function Reference({ reference }: { readonly reference: string }) {
  return (
    <span class="reference">
      {reference.split('/').map((part, index) => (
        <span key={`${index}${part}`} class={index === 0 ? 'host' : 'part'}>
          {index > 0 && '/'}
          {index > 0 && <wbr />}
          {part}
        </span>
      ))}
    </span>
  )
}
