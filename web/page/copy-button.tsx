import { useEffect, useState } from 'preact/hooks'

// Long enough to be read, by a screen reader too.
const shownMs = 2_500

/** Puts a text into the clipboard and says so. */
export function CopyButton({ text }: { readonly text: string }) {
  const [outcome, setOutcome] = useState('')
  useEffect(() => {
    if (outcome === '') return
    const timer = setTimeout(() => setOutcome(''), shownMs)
    return () => clearTimeout(timer)
  }, [outcome])
  return (
    <span class="copy">
      <button type="button" onClick={() => void copy(text).then(setOutcome)}>
        {outcome || 'Copy'}
      </button>
      <span role="status" class="unseen">
        {outcome}
      </span>
    </span>
  )
}

async function copy(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text)
    return 'Copied'
  } catch {
    // Browsers offer the clipboard to secure origins alone, and may ask.
    return copyBySelection(text) ? 'Copied' : 'Select it to copy'
  }
}

/** The older way, which works without TLS too. */
function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'unseen'
  document.body.append(field)
  const before = document.activeElement
  field.select()
  const copied = document.execCommand('copy')
  field.remove()
  if (before instanceof HTMLElement) before.focus()
  return copied
}
