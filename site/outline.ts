import { formatHeadingId } from './heading-id.ts'

export interface OutlineEntry {
  readonly id: string
  /** HTML. */
  readonly title: string
}

/** The sections of a page, from its HTML: what stands beside the text as "On this page". */
export function formatOutline(html: string): readonly OutlineEntry[] {
  return [...html.matchAll(/<h2[^>]*>(.*?)<\/h2>/g)].map(([, inner = '']) => {
    const title = inner.replaceAll(/<[^>]+>/g, '')
    return { title, id: formatHeadingId(decodeHtml(title)) }
  })
}

/** The text that HTML of a page stands for; no other entities are in it. */
export function decodeHtml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}
