export interface TypedCommand {
  readonly command: string
  readonly printed: string
}

// As many columns as are read without turning a phone, and so many lines that what was typed stays together.
const columns = 88
const mostLinesShown = 7
const lineHeight = 20
const characterWidth = 8.4
const padding = 16

/** A picture of a terminal, as SVG: long outputs lose their middle, long lines go on below. */
export function drawTerminal(session: readonly TypedCommand[]): string {
  const lines = session.flatMap(({ command, printed }) => [
    ...wrap(`$ ${command}`).map((text) => ({ text, fill: '#ffffff' })),
    ...shorten(printed)
      .flatMap(wrap)
      .map((text) => ({ text, fill: '#b8c0cc' })),
  ])
  const width = Math.ceil(columns * characterWidth) + 2 * padding
  const height = lines.length * lineHeight + 2 * padding
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, monospace" font-size="14">`,
    `<title>${escape(session.map(({ command }) => command).join('; '))}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#1b1f27"/>`,
    ...lines.map(({ text, fill }, index) => {
      const y = padding + (index + 0.75) * lineHeight
      return `<text x="${padding}" y="${y}" fill="${fill}" xml:space="preserve">${escape(text)}</text>`
    }),
    '</svg>',
    '',
  ].join('\n')
}

function shorten(printed: string): readonly string[] {
  const lines = printed.trimEnd().split('\n')
  if (lines.length <= mostLinesShown) return lines
  const kept = (mostLinesShown - 1) / 2
  return [...lines.slice(0, kept), '…', ...lines.slice(-kept)]
}

/** As terminals do, wherever the line ends. */
function wrap(text: string): readonly string[] {
  return text.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? ['']
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
