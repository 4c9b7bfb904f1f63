import { readFile } from 'node:fs/promises'

/** Sections and directives of a systemd unit; what is given several times is joined by line breaks. */
export async function readUnit(path: string): Promise<Record<string, Record<string, string>>> {
  const unit: Record<string, Record<string, string>> = {}
  let section: Record<string, string> = {}
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const header = /^\[(.+)\]$/.exec(line)?.[1]
    if (header !== undefined) {
      section = unit[header] ??= {}
      continue
    }
    const [, name, value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) section[name] = name in section ? `${section[name]}\n${value}` : value
  }
  return unit
}
