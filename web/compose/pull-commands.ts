/** What a container tool is told to get an image. */
export interface PullCommand {
  readonly tool: string
  /** Lines before the image's reference, the reference, and what follows it. */
  readonly before: string
  readonly after: string
}

/** What stands in a command for what only its reader knows. */
export const programBlank = '<program>'

export interface Registry {
  /** With its port, if it has one. */
  readonly host: string
  /** Whether it is spoken to with TLS, which tools expect. */
  readonly isSecure: boolean
}

/**
 * The same image in the words of several tools; the first is the one to show. Without a shell an image
 * has no command of its own, and which of its programs is meant cannot be told from names of packages.
 */
export function pullCommands({ isSecure }: Registry, hasShell: boolean): readonly PullCommand[] {
  const podman = isSecure ? '' : '--tls-verify=false '
  const ctr = isSecure ? '' : '--plain-http '
  return [
    { tool: 'Docker', before: 'docker pull ', after: '' },
    { tool: 'Run', before: 'docker run --rm -it ', after: hasShell ? ' bash' : ` ${programBlank}` },
    { tool: 'Podman', before: `podman pull ${podman}`, after: '' },
    { tool: 'containerd', before: `ctr image pull ${ctr}`, after: '' },
    {
      tool: 'Kubernetes',
      before: 'containers:\n  - name: tools\n    image: ',
      after: `\n    command: [${hasShell ? 'sleep, infinity' : programBlank}]`,
    },
  ]
}

/** The name under which a tool knows the image; containerd alone insists on the tag. */
export function formatReference(
  { host }: Registry,
  components: readonly string[],
  tag: string,
  tool: string,
): string {
  const suffix = tag === 'latest' && tool !== 'containerd' ? '' : `:${tag}`
  return `${[host, ...components].join('/')}${suffix}`
}
