// A Postgres cluster that exists for one run, from the programs that are
// installed.

import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { launch } from './children.mjs'
import { freePort } from './server.mjs'

/** Where Debian keeps the programs, by version. */
const DEBIAN = '/usr/lib/postgresql'
const READY_MS_MAX = 30_000

export async function startPostgres(folder, started) {
  const programs = await programsFolder()
  const cluster = join(folder, 'cluster')
  const owner = await clusterOwner(folder, cluster)
  const run = promisify(execFile)
  const initdb = ['-D', cluster, '-U', 'freehold', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  await run(join(programs, 'initdb'), initdb, owner)

  const port = await freePort()
  const args = ['-D', cluster, '-p', port, '-k', cluster, '-h', '127.0.0.1']
  const { child, ended } = launch(join(programs, 'postgres'), args, { ...owner, stdio: 'ignore' })
  started.push(async () => {
    // "Fast": sessions are cut, data is written.
    child.kill('SIGINT')
    await ended
  })
  await ready(join(cluster, 'postmaster.pid'), ended)
  return `postgres://freehold@127.0.0.1:${port}/postgres`
}

async function programsFolder() {
  const versions = existsSync(DEBIAN) ? await readdir(DEBIAN) : []
  const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1)
  const folders = [newest && join(DEBIAN, newest, 'bin'), ...process.env.PATH.split(':')]
  const found = folders.find((one) => one && existsSync(join(one, 'initdb')))
  if (!found) throw new Error('initdb is missing: apt-get install postgresql')
  return found
}

/** Postgres does not run as root; there, its cluster belongs to somebody else. */
async function clusterOwner(folder, cluster) {
  await mkdir(cluster, { mode: 0o700 })
  if (process.getuid() !== 0) return {}
  const id = async (flag) => Number((await promisify(execFile)('id', [flag, 'postgres'])).stdout)
  const owner = { uid: await id('-u'), gid: await id('-g') }
  await chmod(folder, 0o755)
  await chown(cluster, owner.uid, owner.gid)
  return owner
}

/** The last line of the pid file says when connections are taken. */
async function ready(pidFile, ended) {
  let gone = false
  ended.then(() => (gone = true))
  const deadline = performance.now() + READY_MS_MAX
  while (!(await readFile(pidFile, 'utf8').catch(() => '')).includes('ready')) {
    if (gone) throw new Error('postgres ended at once')
    if (performance.now() > deadline) throw new Error('postgres is not ready')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
