import { spawn } from 'node:child_process'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { prepareAwkwardSet } from '#test/package-sets/awkward/prepare-awkward-set.ts'
import { plainGitEnvironment, runPlainGit } from './git-repository.ts'
import { listen, startGitHttpServer, stop, type RunningServer } from './git-servers.ts'

/** A work tree with the package set of one program, and the servers that give it away. */
export interface GreeterSite extends AsyncDisposable {
  /** The work tree. */
  readonly directory: string
  /** Of the git server. */
  readonly repositoryUrl: string
  /** Of the server of channels and archives, as nixpkgs has them. */
  readonly channelsUrl: string
  readonly archiveUrl: string
  /** Commits a program that says something else; gives the commit, which is what the channel is then. */
  greet(text: string): Promise<string>
  /** Both servers go away, or come back at their old addresses. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
}

const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']

/** The channel `nixos-test` and the branch `main` are the newest greeting. */
export async function startGreeterSite(root: string): Promise<GreeterSite> {
  const directory = join(root, 'greeter')
  await prepareWorkTree(root, directory)
  await runPlainGit(directory, 'init', '--quiet', '--initial-branch=main')
  await runPlainGit(directory, 'config', 'uploadpack.allowFilter', 'true')
  let newest = ''
  const archives = () =>
    createServer((request, response) => {
      const path = request.url ?? ''
      if (path === '/channels/nixos-test/git-revision') return void response.end(newest)
      const [, commit] = /^\/archive\/([0-9a-f]{40})\.tar\.gz$/.exec(path) ?? []
      if (commit === undefined) return void response.writeHead(404).end()
      const prefix = `--prefix=nixpkgs-${commit}/`
      const archive = spawn(
        'git',
        ['-C', directory, 'archive', '--format=tar.gz', prefix, commit],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          env: plainGitEnvironment(),
        },
      )
      archive.stdout.pipe(response)
    })
  let server: Server = archives()
  const port = await listen(server)
  let git: RunningServer = await startGitHttpServer(root)
  const gitPort = git.port
  async function goDown(): Promise<void> {
    await stop(server)
    await git[Symbol.asyncDispose]()
  }
  return {
    directory,
    repositoryUrl: `${git.url}/greeter/.git`,
    channelsUrl: `http://127.0.0.1:${port}/channels`,
    archiveUrl: `http://127.0.0.1:${port}/archive/{commit}.tar.gz`,
    async greet(text) {
      await writeFile(join(directory, 'text'), text)
      await runPlainGit(directory, 'add', '--all')
      await runPlainGit(directory, ...identity, 'commit', '--quiet', '--allow-empty', '-m', text)
      newest = await runPlainGit(directory, 'rev-parse', 'HEAD')
      return newest
    },
    goDown,
    async comeBack() {
      server = archives()
      await listen(server, port)
      git = await startGitHttpServer(root, { port: gitPort })
    },
    async [Symbol.asyncDispose]() {
      if (server.listening) await goDown()
    },
  }
}

async function prepareWorkTree(root: string, directory: string): Promise<void> {
  const awkward = join(root, 'awkward')
  await mkdir(awkward, { recursive: true })
  await prepareAwkwardSet(awkward)
  await mkdir(join(directory, 'busybox/bin'), { recursive: true })
  await copyFile(join(awkward, 'busybox/bin/busybox'), join(directory, 'busybox/bin/busybox'))
  const definition = join(import.meta.dirname, '../package-sets/greeter/default.nix')
  await copyFile(definition, join(directory, 'default.nix'))
}
