import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.ts'
import type { Comparison, Spread } from './run-scenario.ts'
import type { ImageFacts } from './workbench.ts'

/** Where the results of the last run are. */
export const resultsPath = join(import.meta.dirname, 'out', 'results.json')

export interface Results {
  readonly startedAt: string
  readonly machine: Machine
  readonly images: readonly ImageFacts[]
  readonly comparisons: readonly Comparison[]
}

export async function writeResults(results: Results): Promise<void> {
  await mkdir(join(resultsPath, '..'), { recursive: true })
  await writeFile(resultsPath, `${JSON.stringify(results, undefined, 2)}\n`)
}

/** Medians, and the ratios with the least and the most of all rounds: a table for people and for docs. */
export function formatTable(comparisons: readonly Comparison[]): string {
  const header = ['scenario', 'figure', 'product', 'reference', 'ratio', 'reference is']
  const rows = comparisons.map((comparison) => [
    comparison.scenario,
    comparison.figure,
    `${formatNumber(comparison.product.median)} ${comparison.unit}`,
    `${formatNumber(comparison.compared.median)} ${comparison.unit}`,
    formatRatio(comparison.ratio),
    comparison.reference,
  ])
  return formatColumns([header, header.map(() => '---'), ...rows])
}

function formatRatio({ median, min, max }: Spread): string {
  return `${formatNumber(median)} (${formatNumber(min)}–${formatNumber(max)})`
}

/** Three digits: more would claim a precision that no figure here has. */
function formatNumber(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`)
    .join('\n')
}
