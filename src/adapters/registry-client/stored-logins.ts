import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { unlessMissing } from '#adapters/filesystem/filesystem-error.ts'
import { runProcess } from '#adapters/process/run-process.ts'

export type RegistryLogin =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  /** What `docker login` keeps where the registry gives out tokens that renew themselves. */
  | { readonly kind: 'identity-token'; readonly token: string }

type Environment = Readonly<Record<string, string | undefined>>

const loginFileSchema = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({ auth: z.string().optional(), identitytoken: z.string().optional() }),
    )
    .default({}),
  credHelpers: z.record(z.string(), z.string()).default({}),
  credsStore: z.string().optional(),
})
type LoginFile = z.infer<typeof loginFileSchema>

// A helper may ask a keyring, which may ask a person.
const helperMs = 60_000

/** Docker Hub is called otherwise in its logins than in names of images. */
const dockerHubKey = 'https://index.docker.io/v1/'

/**
 * The login for a repository of a registry, as `docker login`, `podman login` and `skopeo login` keep it;
 * `undefined` where there is none. The first file that has one counts (containers-auth.json(5)):
 *
 *     $REGISTRY_AUTH_FILE                      this one only, when it is set
 *     $XDG_RUNTIME_DIR/containers/auth.json
 *     $XDG_CONFIG_HOME/containers/auth.json
 *     $DOCKER_CONFIG/config.json
 */
export async function findLogin(
  host: string,
  repository: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<RegistryLogin | undefined> {
  for (const path of loginFiles(environment)) {
    const file = await readLoginFile(path)
    const login = file && (await findInFile(file, host, repository, environment, signal))
    if (login !== undefined) return login
  }
  return undefined
}

function loginFiles(environment: Environment): readonly string[] {
  const { REGISTRY_AUTH_FILE: chosen, XDG_RUNTIME_DIR: runtime } = environment
  if (chosen) return [chosen]
  const home = environment['HOME'] || homedir()
  return [
    ...(runtime ? [join(runtime, 'containers', 'auth.json')] : []),
    join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers', 'auth.json'),
    join(environment['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'),
  ]
}

async function readLoginFile(path: string): Promise<LoginFile | undefined> {
  const text = await unlessMissing(readFile(path, 'utf8'))
  if (text === undefined) return undefined
  try {
    return loginFileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${path} is no file of logins, as docker login writes it`, { cause })
  }
}

async function findInFile(
  file: LoginFile,
  host: string,
  repository: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<RegistryLogin | undefined> {
  const key = host === 'docker.io' ? dockerHubKey : host
  const helper = file.credHelpers[host] ?? file.credsStore
  const stored = helper && (await askHelper(helper, key, environment, signal))
  if (stored) return stored
  const entry = keysOf(host, repository)
    .map((each) => file.auths[each])
    .find((each) => each !== undefined)
  if (entry?.identitytoken) return { kind: 'identity-token', token: entry.identitytoken }
  return entry?.auth ? decodeLogin(entry.auth) : undefined
}

/** The longest beginning of the repository first; then older spellings of the host. */
export function keysOf(host: string, repository: string): readonly string[] {
  const parts = repository.split('/')
  const nested = parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join('/'))
  const old = [host, `https://${host}`, `https://${host}/`, `https://${host}/v1/`]
  return [...nested, ...old, ...(host === 'docker.io' ? [dockerHubKey] : [])]
}

function decodeLogin(auth: string): RegistryLogin | undefined {
  const text = Buffer.from(auth, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 1) return undefined
  return { kind: 'password', user: text.slice(0, colon), password: text.slice(colon + 1) }
}

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() })

/** Asks a program of docker-credential-helpers: the host comes by standard input, the answer is JSON. */
async function askHelper(
  name: string,
  key: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<RegistryLogin | undefined> {
  // Nothing but a name: the file says which program is run.
  if (!/^[\w.-]+$/.test(name)) throw new Error(`${name} is no name of a credential helper`)
  const inherited = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const { kind, stdout } = await runProcess(
    {
      command: `docker-credential-${name}`,
      args: ['get'],
      environment: new Map(inherited),
      timeoutMs: helperMs,
      killGraceMs: 1_000,
      stdoutLimitBytes: 64 * 1024,
      stdin: key,
      errorCodes: { missing: 'NO_PERMISSION', failed: 'NO_PERMISSION' },
    },
    signal,
  )
  // It fails for what it does not have, and other files may.
  if (kind !== 'succeeded') return undefined
  const answer = helperAnswerSchema.safeParse(parseJson(stdout))
  if (!answer.success) throw new Error(`docker-credential-${name} gave no login`)
  const { Username: user, Secret: secret } = answer.data
  return user === '<token>'
    ? { kind: 'identity-token', token: secret }
    : { kind: 'password', user, password: secret }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The schema refuses it like everything else that is no login.
    return undefined
  }
}
