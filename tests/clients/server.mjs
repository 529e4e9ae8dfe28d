// A fresh `freehold serve`, the directory it registers identities with, an
// AppView to pass calls on to, and, where asked for, a Postgres of its own.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startAppView } from './appview.mjs'
import { launch } from './children.mjs'
import { startPostgres } from './postgres.mjs'
import { Town } from './town.mjs'

export const BINARY = new URL('../../target/debug/freehold', import.meta.url).pathname
/** How long a process may take until it answers, on a machine that builds beside it. */
const START_MS_MAX = 30_000
/** Lines of the log that a failure shows. */
const LOG_LINES_MAX = 60

/** `more` are settings beside those that every server here has. */
export async function startServer(engine, more = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-clients-'))
  const started = []
  const log = []
  const stop = async () => {
    for (const stopOne of started.reverse()) await stopOne()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const { directory, neighbour } = await startDirectory(folder, log, started)
    const appView = await startAppView(0, directory)
    started.push(appView.stop)
    const database = engine === 'postgres' ? await startPostgres(folder, started) : undefined
    const { service, settings } = await startService({ folder, directory, appView, database, more, log, started })
    const town = new Town(service, directory, appView)
    return { town, neighbour, settings, folder, started, lines: log, log: () => log.slice(-LOG_LINES_MAX).join('\n'), stop }
  } catch (error) {
    await stop()
    throw new Error(`the server on ${engine} did not start:\n${log.join('\n')}`, { cause: error })
  }
}

/** The directory of a `freehold dev`, whose server is a neighbour to move from. */
async function startDirectory(folder, log, started) {
  const [port, plcPort] = [await freePort(), await freePort()]
  const args = ['dev', '--data', join(folder, 'dev'), '--port', port, '--plc-port', plcPort]
  started.push(runBinary(args, {}, log))
  const neighbour = `http://localhost:${port}`
  await answers(`${neighbour}/xrpc/_health`)
  return { directory: `http://localhost:${plcPort}`, neighbour }
}

async function startService({ folder, directory, appView, database, more, log, started }) {
  const port = await freePort()
  const settings = {
    FREEHOLD_SERVER_PORT: port,
    FREEHOLD_SERVER_DEV_MODE: true,
    FREEHOLD_SERVER_DATA_DIRECTORY: join(folder, 'pds'),
    FREEHOLD_ACCOUNTS_INVITE_REQUIRED: false,
    FREEHOLD_IDENTITY_PLC_URL: directory,
    FREEHOLD_IDENTITY_HANDLE_DOMAINS: '.test',
    FREEHOLD_SERVICES_APPVIEW_URL: appView.url,
    FREEHOLD_SERVICES_APPVIEW_DID: appView.did,
    FREEHOLD_LOG_FORMAT: 'human',
    ...(database ? { FREEHOLD_DATABASE_URL: database } : {}),
    ...more,
  }
  started.push(runBinary(['serve'], settings, log))
  await answers(`http://localhost:${port}/xrpc/_health`)
  return { service: `http://localhost:${port}`, settings }
}

/** Starts the binary; returns how to stop it. */
function runBinary(args, settings, log) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings }
  const { child, ended } = launch(BINARY, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  child.on('error', (error) => log.push(String(error)))
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text) => log.push(...text.trimEnd().split('\n')))
  }
  return async () => {
    child.kill('SIGTERM')
    await ended
  }
}

export async function answers(url) {
  const deadline = performance.now() + START_MS_MAX
  for (;;) {
    const response = await fetch(url).catch(() => null)
    if (response?.ok) return
    if (performance.now() > deadline) throw new Error(`${url} does not answer`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
