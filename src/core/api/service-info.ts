/** How much the service tells strangers: nothing, what happens, or also what builders print. */
export type WebMode = 'off' | 'status' | 'full'

/** What serves, and what it serves. */
export interface ServiceInfo {
  readonly version: string
  readonly web: Exclude<WebMode, 'off'>
  readonly sources: readonly ServedSource[]
  /** `linux/amd64`; the first is for clients that read no index. */
  readonly platforms: readonly string[]
  /** A name that can be pulled, where one is known. */
  readonly example?: string
}

export interface ServedSource {
  /** First component of names of its images; empty for the one that names without a source mean. */
  readonly name: string
  /** Of `latest`, where it is known without asking anybody. */
  readonly revision?: string
  /** Where the packages come from, without credentials. */
  readonly origin?: string
}

/** Failed requests to the API: `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly title: string
  readonly status: number
  /** One line that says what to do. */
  readonly detail: string
}

/** A package that somebody looked for. */
export interface PackageFound {
  /** As it is put into a repository name. */
  readonly name: string
  readonly attributePath: string
  readonly version?: string
  readonly description?: string
  /** The served platforms that have it: `linux/amd64`. */
  readonly platforms: readonly string[]
}

/** What `GET /api/v1/packages` answers. */
export interface PackageListing {
  /** `listing`: the source is being listed, ask again in a while. */
  readonly status: 'found' | 'listing' | 'unsearchable'
  /** Best first. */
  readonly packages: readonly PackageFound[]
  /** Those that may have been meant, nearest first, when few have the words. */
  readonly near: readonly PackageFound[]
  /** That packages were looked for on. */
  readonly platforms?: readonly string[]
  readonly revision?: string
  readonly message?: string
}
