import {
  applyEvent,
  isOver,
  type BuildProgress,
  type BuildSummary,
} from '#core/api/build-progress.ts'
import type { ImageOrder, PlacedOrder } from '#core/api/image-order.ts'
import { pause } from '#engine/pause.ts'
import type { Clock } from '#engine/ports/clock.ts'
import { openDisplay, type BuildDisplay, type BuildTerminal } from './build-display.ts'
import { ServiceRefusal, type BuildService } from './build-service.ts'
import { formatHelp, formatSlip } from './command-syntax.ts'
import { printable } from './printable.ts'
import { parseWatchArguments, watchSyntax, type WatchCommand } from './watch-arguments.ts'

/** What the command needs of the rest of the product. */
export interface WatchTools {
  /** The service at an address; that of this machine without one. */
  service(server: URL | undefined): BuildService
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
}

/**
 * `nixery watch`; gives the exit code: 0 when the image was built, 1 when the build was aborted, 2 for a
 * wrong command line, 3 when it failed. Throws what keeps it from its work, and the reason of the signal.
 */
export async function runWatch(
  args: readonly string[],
  tools: WatchTools,
  terminal: BuildTerminal,
  signal: AbortSignal,
): Promise<0 | 1 | 2 | 3> {
  const parsed = parseWatchArguments(args)
  switch (parsed.kind) {
    case 'help':
      terminal.stdout.write(formatHelp(watchSyntax))
      return 0
    case 'wrong':
      terminal.stderr.write(formatSlip(watchSyntax, parsed.message))
      return 2
    case 'watch': {
      using display = openDisplay(parsed, { ...tools, terminal })
      const service = tools.service(parsed.server)
      await service.require(signal)
      return new Watch(service, parsed, display, tools, terminal).run(signal)
    }
  }
}

// A service that was restarted is back within this time, and has forgotten its builds then.
const reconnectDelaysMs = [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000]

// An order that waits for no build yet is asked again after this time.
const orderPollMs = 1_000

// What went wrong stands in the last lines, and a terminal shows some more than these.
const shownLogLines = 20

class Watch {
  readonly #service: BuildService
  readonly #command: WatchCommand
  readonly #display: BuildDisplay
  readonly #clock: Clock
  readonly #terminal: BuildTerminal

  constructor(
    service: BuildService,
    command: WatchCommand,
    display: BuildDisplay,
    { clock }: WatchTools,
    terminal: BuildTerminal,
  ) {
    this.#service = service
    this.#command = command
    this.#display = display
    this.#clock = clock
    this.#terminal = terminal
  }

  async run(signal: AbortSignal): Promise<0 | 1 | 3> {
    const { wanted, order } = this.#command
    if (wanted.kind === 'build')
      return this.#report(await this.#followAll([wanted.id], signal), signal)
    const builds = chooseBuilds(await this.#service.list(signal), wanted)
    const areRunning = builds.some((build) => !isOver(build))
    if (order && !areRunning) return this.#runOrder(wanted.name, wanted.tag, signal)
    if (builds.length === 0) return this.#reportStored(wanted.name, wanted.tag, signal)
    const ids = builds.map(({ id }) => id)
    return this.#report(await this.#followAll(ids, signal), signal)
  }

  /** An image that no build is known of may have been built long ago. */
  async #reportStored(name: string, tag: string, signal: AbortSignal): Promise<0> {
    const images = await this.#service.findImages(name, tag, signal)
    if (images.length === 0)
      throw new ServiceRefusal(
        `${this.#service.address} knows of no build of ${tag === 'latest' ? name : `${name}:${tag}`}, and has no such image: pull it, or have it built with --order`,
      )
    const { stdout } = this.#terminal
    if (!this.#command.json)
      this.#display.note(
        `${name} is stored for ${images.map(({ platform }) => platform).join(' and ')}, ready to pull`,
      )
    this.#display[Symbol.dispose]()
    for (const { platform, digest } of images)
      if (this.#command.json) {
        const result = { kind: 'result', status: 'stored', name, tag, platform, manifest: digest }
        stdout.write(`${JSON.stringify(result)}\n`)
      } else stdout.write(`${printable(digest)}\n`)
    return 0
  }

  /** Has the image built, and follows its builds as they come up. */
  async #runOrder(name: string, tag: string, signal: AbortSignal): Promise<0 | 1 | 3> {
    const placed = await this.#service.placeOrder(name, tag, signal)
    try {
      const ended = await this.#followOrder(placed, signal)
      return await this.#reportOrder(ended, placed, signal)
    } catch (error) {
      // Whoever ordered it goes; the signal is over, and the service answers at once.
      if (signal.aborted) await this.#service.cancelOrder(placed, AbortSignal.timeout(5_000))
      throw error
    }
  }

  async #followOrder({ order: placed }: PlacedOrder, signal: AbortSignal): Promise<ImageOrder> {
    const followed = new Set<string>()
    let order = placed
    for (;;) {
      const ids = order.builds.filter((id) => !followed.has(id))
      for (const id of ids) followed.add(id)
      await this.#followAll(ids, signal)
      if (order.status !== 'waiting') return order
      await pause(this.#clock, ids.length > 0 ? 0 : orderPollMs, signal)
      const now = await this.#service.findOrder(order.id, signal)
      if (now === undefined)
        throw new ServiceRefusal(
          `${this.#service.address} has forgotten the order: was it restarted?`,
        )
      order = now
    }
  }

  #followAll(ids: readonly string[], signal: AbortSignal): Promise<readonly BuildProgress[]> {
    return Promise.all(ids.map((id) => this.#follow(id, signal)))
  }

  /** To the end of the build; connections that break off are made again. */
  async #follow(id: string, signal: AbortSignal): Promise<BuildProgress> {
    let progress: BuildProgress | undefined
    let failures = 0
    for (;;) {
      try {
        for await (const message of this.#service.events(id, progress?.lastEvent, signal)) {
          failures = 0
          if (message.kind === 'over') return await this.#require(id, signal)
          if (message.kind === 'progress') {
            progress = message.progress
            this.#display.show(progress)
          } else if (progress !== undefined) {
            progress = applyEvent(progress, message.recorded)
            this.#display.show(progress, message.recorded)
          }
          if (progress !== undefined && isOver(progress)) return progress
        }
      } catch (error) {
        if (!(error instanceof ServiceRefusal) || error.status !== undefined) throw error
        const isLost = failures >= reconnectDelaysMs.length
        if (isLost) throw error
        this.#display.note(`${error.message}; trying again`)
      }
      await pause(this.#clock, reconnectDelaysMs[failures] ?? 0, signal)
      failures += 1
    }
  }

  async #require(id: string, signal: AbortSignal): Promise<BuildProgress> {
    const found = await this.#service.find(id, signal)
    if (found !== undefined) return found
    throw new ServiceRefusal(`${this.#service.address} has forgotten the build ${id}`)
  }

  async #report(
    builds: readonly BuildProgress[],
    signal: AbortSignal,
    token?: string,
  ): Promise<0 | 1 | 3> {
    const failed = builds.filter(({ status }) => status === 'failed')
    const logs = new Map<string, readonly string[]>()
    for (const { id } of failed)
      logs.set(id, (await this.#service.log(id, token, signal)).slice(-shownLogLines))
    this.#display[Symbol.dispose]()
    for (const build of builds) this.#print(build, logs.get(build.id) ?? [])
    if (failed.length > 0) return 3
    return builds.every(({ status }) => status === 'finished') ? 0 : 1
  }

  #print(build: BuildProgress, log: readonly string[]): void {
    const { stdout, stderr } = this.#terminal
    const { id, status, manifest, message } = build
    if (this.#command.json) {
      const result = { kind: 'result', build: id, status, manifest, message, log }
      stdout.write(`${JSON.stringify(result)}\n`)
    } else if (status === 'finished') stdout.write(`${printable(manifest ?? '')}\n`)
    else {
      for (const line of log) stderr.write(`${printable(line)}\n`)
      stderr.write(`nixery: ${printable(message ?? status)} (build ${printable(id)})\n`)
    }
  }

  async #reportOrder(
    order: ImageOrder,
    { token }: PlacedOrder,
    signal: AbortSignal,
  ): Promise<0 | 1 | 3> {
    const { stdout, stderr } = this.#terminal
    const last = order.builds.at(-1)
    const isFailed = order.status === 'failed'
    const log = isFailed && last ? await this.#service.log(last, token, signal) : []
    this.#display[Symbol.dispose]()
    const shown = log.slice(-shownLogLines)
    if (this.#command.json)
      stdout.write(`${JSON.stringify({ kind: 'result', order, log: shown })}\n`)
    else if (order.image !== undefined) stdout.write(`${printable(order.image.digest)}\n`)
    else {
      for (const line of shown) stderr.write(`${printable(line)}\n`)
      stderr.write(`nixery: ${printable(order.message ?? `the order is ${order.status}`)}\n`)
    }
    if (order.status === 'served') return 0
    return isFailed ? 3 : 1
  }
}

/**
 * The builds of a name and a tag that run, one for each platform; without any, their last one. Newest first.
 * Builds that another tag began are not theirs: nobody but the service knows whether it stands for the same.
 */
export function chooseBuilds(
  builds: readonly BuildSummary[],
  { name, tag }: { readonly name: string; readonly tag: string },
): readonly BuildSummary[] {
  const [wanted, platform] = readName(name)
  const named = builds.filter(
    (build) =>
      build.tag === tag &&
      readName(build.name)[0] === wanted &&
      (platform === undefined || build.platform === platform),
  )
  const running = named.filter((build) => !isOver(build))
  return running.length > 0 ? running : named.slice(0, 1)
}

/** Packages in any order are one image; `arm64` before them is its platform. */
function readName(name: string): readonly [packages: string, platform: string | undefined] {
  const [first = '', ...others] = name.split('/')
  const components = [first, ...others]
  const architecture = components.find((each) => each === 'amd64' || each === 'arm64')
  const packages = components.filter((each) => each !== architecture)
  return [packages.toSorted().join('/'), architecture && `linux/${architecture}`]
}
