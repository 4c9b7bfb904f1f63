import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'

import { isSettingValue } from '#core/nix/nix-setting.ts'
import { OperatingError } from '#engine/operating-error.ts'

/** How this process reaches the store: by itself (`local`) or through the Nix daemon. */
export type StoreAccess = 'local' | 'daemon'

// Everything else stays outside: evaluation and builders of strangers must not see it.
const passedOn = [
  'PATH',
  'HOME',
  'TMPDIR',
  'NIX_REMOTE',
  'NIX_SSL_CERT_FILE',
  'SSL_CERT_FILE',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
] as const

/** The environment of every Nix process: an allow-list, and settings that every Nix since 2.8 knows. */
export function nixEnvironment(
  inherited: Readonly<NodeJS.ProcessEnv>,
  settings: ReadonlyMap<string, string>,
): Map<string, string> {
  const environment = new Map<string, string>()
  for (const name of passedOn) {
    const value = inherited[name]
    if (value !== undefined) environment.set(name, value)
  }
  environment.set('NIX_PATH', '')
  environment.set('NIX_CONFIG', [...settings].map(formatSetting).join('\n'))
  return environment
}

/** Throws when the value would become more than one setting; it may be secret, so the name must do. */
function formatSetting([name, value]: readonly [string, string]): string {
  assert(isSettingValue(value), `the value of ${name} must be one line without #`)
  return `${name} = ${value}`
}

const stateDirectory = '/nix/var/nix'
const daemonSocket = `${stateDirectory}/daemon-socket/socket`

/** How the store is reached, and the settings that this takes. */
export interface StoreChoice {
  readonly access: StoreAccess
  readonly settings: ReadonlyMap<string, string>
}

/**
 * Root works on the store itself, other users through the daemon, or on a store that belongs to
 * them. An operator's NIX_REMOTE comes first.
 */
export async function chooseStore(
  userId: number,
  inherited: Readonly<NodeJS.ProcessEnv>,
): Promise<StoreChoice> {
  if (inherited['NIX_REMOTE']) return { access: 'daemon', settings: new Map() }
  if (userId === 0) return { access: 'local', settings: await settingsForRoot() }
  if (await canUse(daemonSocket)) {
    return { access: 'daemon', settings: new Map([['store', 'daemon']]) }
  }
  if (await canUse(`${stateDirectory}/db`)) return { access: 'local', settings: new Map() }
  throw new OperatingError(
    'NIX_MISSING',
    `user ${userId} cannot use Nix: there is no daemon at ${daemonSocket}`,
  )
}

/** Without a group of build users, Nix run by root refuses to build unless it is told to do without. */
async function settingsForRoot(): Promise<ReadonlyMap<string, string>> {
  const configured = /^\s*build-users-group\s*=\s*(\S*)/m.exec(await readText('/etc/nix/nix.conf'))
  const group = configured?.[1] ?? 'nixbld'
  const members = (await readText('/etc/group'))
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === group)?.[3]
  return members ? new Map() : new Map([['build-users-group', '']])
}

/** The text of a file, or nothing when there is no such file. */
async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

async function canUse(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
}
