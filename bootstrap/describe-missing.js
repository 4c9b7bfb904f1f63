import { formatInstallCommand, packagesOf } from './debian-packages.js'
import { findCommand, formatTool, missingTools } from './machine-tools.js'

/** What the machine lacks for `purpose`, and how a person brings it; each as a line, for `nixery doctor`. */
export function describeMissing(purpose) {
  const tools = missingTools(purpose)
  if (tools.length === 0) return undefined
  const packages = packagesOf(tools)
  return {
    tools: tools.map(formatTool).join(', '),
    installation:
      findCommand('apt-get') === undefined
        ? `install what these packages of Debian bring: ${packages.join(' ')}`
        : formatInstallCommand(packages),
  }
}
