import { decodeHtml } from './outline.ts'

/** What a search of the documentation finds: the text below one heading, up to the next one. */
export interface SearchSection {
  /** Below the documentation: `storage.html#damage`, or `storage.html` for what stands first. */
  readonly address: string
  readonly page: string
  /** The same as `page` for what stands first. */
  readonly heading: string
  readonly text: string
}

/** The sections of a built page, from its HTML with the ids of headings. */
export function listSections(name: string, html: string): readonly SearchSection[] {
  const [, main = ''] = /<main\b[^>]*>([^]*)<\/main>/.exec(html) ?? []
  const [, ...parts] = main.split(/(?=<h[1-4]\b)/)
  const sections = parts.map((part) => {
    const [all = '', id, heading = ''] =
      /^<h[1-4]\b(?:[^>]* id="([^"]*)")?[^>]*>([^]*?)<\/h[1-4]>/.exec(part) ?? []
    return {
      address: id === undefined ? name : `${name}#${id}`,
      heading: readText(heading),
      text: readText(part.slice(all.length)),
    }
  })
  const page = sections[0]?.heading ?? name
  return sections.map((section) => ({ page, ...section }))
}

// Between two blocks there is a space, between the parts of a word there is none.
const inline = /<\/?(?:a|code|em|strong|s|mark)\b[^>]*>/g

function readText(html: string): string {
  return decodeHtml(html.replaceAll(inline, '').replaceAll(/<[^>]+>/g, ' '))
    .replaceAll(/\s+/g, ' ')
    .trim()
}
