import type { TargetedKeyboardEvent } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { PackageFound, PackageListing } from '#core/api/service-info.ts'
import { useAnswer, type Answer } from '../api/use-answer.ts'
import { formatCount } from '../page/quantities.ts'
import { endSentence } from '../page/end-sentence.ts'
import { printable } from '../page/printable.ts'
import { shorten } from '../page/shorten.ts'
import { spellPackage } from './composition.ts'

// People type a letter in about 150 ms; each pause would be a question.
const pauseMs = 200
// As many as somebody looks through; the best come first.
const mostResults = 30
// Listing a source takes from a second to minutes.
const listingPollMs = 2_000
// The service answers no longer questions.
const mostAsked = 200
// More than any name has, so that a longer one is refused and not cut to one that nobody meant.
const mostTyped = 1_000
// Of a refused name: enough to recognise it by.
const mostRepeated = 40

interface Properties {
  readonly label: string
  readonly source: string
  /** Packages that are not offered, because they are in the image. */
  readonly chosen: readonly string[]
  readonly onType?: () => void
  readonly onAdd: (name: string) => void
}

/** A text field with the packages that match it; anything else may be added as it was typed. */
export function PackageSearch({ label, source, chosen, onType, onAdd }: Properties) {
  const [text, setText] = useState('')
  const [active, setActive] = useState(-1)
  const [problem, setProblem] = useState('')
  const id = useId()
  const list = useRef<HTMLUListElement>(null)
  const words = text.trim()
  const answer = usePackages(source, words)
  const listing = words !== '' && answer.kind === 'loaded' ? answer.value : nothing
  const packages = [...listing.packages, ...listing.near]

  useEffect(() => setActive(-1), [answer])
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: 'nearest' })
  }, [active])

  function type(text: string): void {
    setText(text)
    setProblem('')
    onType?.()
    // What was chosen among the packages of other words is not what is meant now.
    setActive(-1)
  }

  function add(typed: string): void {
    const name = spellPackage(typed)
    if (name === undefined) {
      setProblem(
        `“${printable(shorten(typed, mostRepeated))}” cannot be part of an image name: up to 255 letters, digits, and single . _ - between them.`,
      )
      return
    }
    if (chosen.includes(name)) {
      setProblem(`${name} is in the image already.`)
      return
    }
    type('')
    onAdd(name)
  }

  function onKeyDown(event: TargetedKeyboardEvent<HTMLInputElement>): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined && packages.length > 0) {
      event.preventDefault()
      // Before the first one is the field itself.
      setActive(((active + step + 1 + packages.length + 1) % (packages.length + 1)) - 1)
    } else if (event.key === 'Enter' && words !== '') {
      event.preventDefault()
      add(packages[active]?.name ?? words)
    } else if (event.key === 'Escape') {
      type('')
    }
  }

  return (
    <div class="search">
      <label for={`${id}-field`}>{label}</label>
      <div class="field">
        <input
          id={`${id}-field`}
          type="text"
          role="combobox"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          maxLength={mostTyped}
          placeholder="git, htop, python3 …"
          aria-expanded={packages.length > 0}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-describedby={`${id}-status`}
          aria-activedescendant={active >= 0 ? `${id}-${active}` : undefined}
          value={text}
          onInput={(event) => type(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <button type="button" disabled={words === ''} onClick={() => add(words)}>
          Add
        </button>
      </div>
      <p id={`${id}-status`} class={problem === '' ? 'hint' : 'hint bad'} role="status">
        {problem || describe(answer, words)}
      </p>
      <ul id={`${id}-list`} ref={list} role="listbox" aria-label="Packages" class="results">
        {packages.map((found, index) => (
          <li
            key={found.name}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            aria-disabled={chosen.includes(found.name)}
            onMouseDown={(event) => {
              // The field keeps the focus.
              event.preventDefault()
              add(found.name)
            }}
          >
            <span class="name">{printable(found.name)}</span>
            <span class="version">{printable(found.version ?? '')}</span>
            {badgesOf(found, listing, chosen).map((badge) => (
              <span key={badge} class="badge">
                {badge}
              </span>
            ))}
            <span class="description">{printable(found.description ?? '')}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

const nothing: PackageListing = { status: 'found', packages: [], near: [] }

function badgesOf(
  found: PackageFound,
  { near, platforms = [] }: PackageListing,
  chosen: readonly string[],
): readonly string[] {
  return [
    ...(near.includes(found) ? ['similar name'] : []),
    ...(found.platforms.length < platforms.length
      ? [`${found.platforms.map(printable).join(', ')} only`]
      : []),
    ...(chosen.includes(found.name) ? ['in the image'] : []),
  ]
}

function usePackages(source: string, words: string): Answer<PackageListing> {
  const query = new URLSearchParams({
    q: words.slice(0, mostAsked),
    source,
    limit: String(mostResults),
  })
  const address = words === '' ? undefined : `/api/v1/packages?${query}`
  return useAnswer<PackageListing>(address, {
    delayMs: pauseMs,
    againAfterMs: ({ status }) => (status === 'listing' ? listingPollMs : undefined),
  })
}

function describe(answer: Answer<PackageListing>, words: string): string {
  const asTyped = 'Enter adds the name as you typed it.'
  if (words === '') return 'Type a name or what it is for.'
  if (answer.kind === 'loading') return 'Searching …'
  if (answer.kind === 'failed') return `${endSentence(answer.message)} ${asTyped}`
  const { status, packages, near, message } = answer.value
  if (status === 'listing') return `The packages of this source are being listed. ${asTyped}`
  if (status === 'unsearchable')
    return `${endSentence(message ?? 'This source cannot be searched')} ${asTyped}`
  const meant = near.map(({ name }) => printable(name)).join(' or ')
  const question = meant === '' ? '' : ` Did you mean ${meant}?`
  if (packages.length === 0) return `No package matches.${question} ${asTyped}`
  const count =
    packages.length < mostResults
      ? formatCount(packages.length, 'package')
      : `The first ${mostResults}`
  return `${count}.${question} Choose with the arrow keys and Enter.`
}
