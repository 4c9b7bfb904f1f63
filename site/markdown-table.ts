/** A table of Markdown. A cell may hold anything but `|` and line ends. */
export function formatTable(
  head: readonly string[],
  rows: ReadonlyArray<readonly (string | undefined)[]>,
): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}
