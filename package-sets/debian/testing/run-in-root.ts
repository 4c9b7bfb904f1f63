/** For tests: runs programs inside a root directory, apart from this machine. */
import { spawnSync } from 'node:child_process'

export interface ProgramEnd {
  /** 128 + n when signal n ended it, as shells count. */
  readonly exitCode: number
  /** stdout and stderr together. */
  readonly output: string
}

/** Namespaces of its own, so that a program that kills, mounts or reboots reaches nothing here. */
const isolation = ['--mount', '--pid', '--fork', '--kill-child', '--net', '--ipc', '--uts']

// The store is read-only there: root may write to it, and Python would keep compiled modules in it.
const enterRoot = `
root=$1; shift
mount --bind /nix "$root/nix" && mount -o remount,bind,ro "$root/nix" && mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" &&
env -i PATH=/bin:/sbin HOME=/tmp TERM=xterm LC_ALL=C.UTF-8 chroot "$root" "$@" 2>&1
# Not exec: as process 1 a program could not end by a signal, and systemd would boot.
exit $?`

const timeoutMs = 30_000

/** Whether this machine lets the process make namespaces and mounts: root with unshare(1). */
export function canRunInRoot(): boolean {
  return spawnSync('unshare', [...isolation, 'true']).status === 0
}

export function runInRoot(root: string, command: readonly string[], input = ''): ProgramEnd {
  const end = spawnSync('unshare', [...isolation, 'sh', '-c', enterRoot, 'sh', root, ...command], {
    input,
    encoding: 'utf8',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: 16 * 1024 * 1024,
  })
  return { exitCode: end.status ?? 128 + 9, output: end.stdout + end.stderr }
}
