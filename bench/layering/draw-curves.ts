/** One line of a plot: values at equal distances, the first at 0 requests. */
export interface Curve {
  readonly name: string
  readonly bytes: readonly number[]
}

export interface Plot {
  readonly title: string
  readonly requests: number
  readonly curves: readonly Curve[]
}

const width = 760
const height = 420
const area = { left: 64, top: 44, right: 556, bottom: 372 }
/** Told apart in print and by people who see fewer colours, together with the labels at the ends. */
const colors = ['#8c8c8c', '#d55e00', '#e69f00', '#cc79a7', '#56b4e9', '#0072b2', '#222222']
const labelDistance = 15
const gigabyte = 1e9

/** An SVG image of cumulative costs; equal plots give equal text. */
export function drawCurves({ title, requests, curves }: Plot): string {
  const most = Math.max(...curves.flatMap(({ bytes }) => bytes))
  const step = chooseStep(most / gigabyte)
  const top = Math.ceil(most / gigabyte / step) * step
  const x = (part: number) => area.left + part * (area.right - area.left)
  const y = (bytes: number) => area.bottom - (bytes / gigabyte / top) * (area.bottom - area.top)
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    drawText(area.left, 24, title, '#222222', 'start', ' font-size="15"'),
    ...drawCostAxis(top, step, y),
    ...drawRequestAxis(requests, x),
    ...curves.map((curve, index) => drawCurve(curve, colors[index % colors.length]!, x, y)),
    ...drawLabels(curves, y),
    '</svg>',
  ]
  return `${lines.join('\n')}\n`
}

/** 1, 2 or 5 times a power of ten, with about five of them on the axis. */
function chooseStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => most / step <= 6)!
}

function drawCostAxis(top: number, step: number, y: (bytes: number) => number): string[] {
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, tick) => tick * step)
  return ticks.flatMap((tick) => {
    const at = y(tick * gigabyte)
    return [
      `<path d="M${area.left} ${round(at)}H${area.right}" stroke="#dddddd"/>`,
      drawText(area.left - 8, at + 4, `${Number(tick.toFixed(3))} GB`, '#555555', 'end'),
    ]
  })
}

function drawRequestAxis(requests: number, x: (part: number) => number): string[] {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    drawText(x(part), area.bottom + 18, String(requests * part), '#555555', 'middle'),
  )
  return [...ticks, drawText(x(0.5), area.bottom + 38, 'requests', '#555555', 'middle')]
}

function drawCurve(
  { bytes }: Curve,
  color: string,
  x: (part: number) => number,
  y: (bytes: number) => number,
): string {
  const points = bytes.map((it, index) => `${round(x(index / (bytes.length - 1)))} ${round(y(it))}`)
  return `<path d="M${points.join('L')}" fill="none" stroke="${color}" stroke-width="2"/>`
}

/** Beside the ends of the curves, moved apart where these are close. */
function drawLabels(curves: readonly Curve[], y: (bytes: number) => number): string[] {
  const ends = curves
    .map(({ name, bytes }, index) => ({ name, at: y(bytes.at(-1)!), color: colors[index]! }))
    .toSorted((one, other) => one.at - other.at)
  let free = 0
  return ends.map(({ name, at, color }) => {
    const place = Math.max(at, free)
    free = place + labelDistance
    return drawText(area.right + 10, place + 4, name, color, 'start')
  })
}

function drawText(
  x: number,
  y: number,
  text: string,
  color: string,
  anchor: 'start' | 'middle' | 'end',
  more = '',
): string {
  return `<text x="${round(x)}" y="${round(y)}" fill="${color}" text-anchor="${anchor}"${more}>${text}</text>`
}

function round(value: number): number {
  return Number(value.toFixed(1))
}
