// Runs every client's journey against a server, and says how each went.

import { parseArgs } from 'node:util'

import { startAppView } from './appview.mjs'
import * as api from './journeys/api.mjs'
import * as atcute from './journeys/atcute.mjs'
import * as directory from './journeys/directory.mjs'
import * as exported from './journeys/exported.mjs'
import * as firehose from './journeys/firehose.mjs'
import * as inversion from './journeys/inversion.mjs'
import * as python from './journeys/python.mjs'
import * as resume from './journeys/resume.mjs'
import { describe, withinLimit } from './outcome.mjs'
import { startServer } from './server.mjs'
import { Town } from './town.mjs'

const JOURNEYS = [directory, api, atcute, python, exported, firehose, inversion, resume]
const ENGINES = ['sqlite', 'postgres']
/** No journey takes longer, on a machine that does other things too. */
const JOURNEY_MS_MAX = 120_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    against: { type: 'string' },
    directory: { type: 'string' },
    'appview-port': { type: 'string' },
  },
})

const failures = []
if (values.against) {
  const appView = await startAppView(Number(values['appview-port'] ?? 0), values.directory)
  await journeysOn(values.against, new Town(values.against, values.directory, appView))
  await appView.stop()
} else {
  for (const engine of positionals.length > 0 ? positionals : ENGINES) await runOn(engine)
}
for (const failure of failures) console.error(`\n${failure}`)
console.log(failures.length === 0 ? 'clients: all journeys passed' : `clients: ${failures.length} failed`)
process.exit(failures.length === 0 ? 0 : 1)

async function runOn(engine) {
  if (!ENGINES.includes(engine)) throw new Error(`no such engine: ${engine}`)
  const server = await startServer(engine)
  const before = failures.length
  try {
    await journeysOn(engine, server.town)
  } finally {
    await server.stop()
  }
  if (failures.length > before) failures.push(`what the server on ${engine} logged:\n${server.log()}`)
}

async function journeysOn(name, town) {
  for (const journey of JOURNEYS) {
    const began = performance.now()
    const error = await withinLimit(journey.run(town), JOURNEY_MS_MAX).then(() => null, (error) => error)
    const took = `${Math.round(performance.now() - began)} ms`
    console.log(`${error ? 'FAILED' : 'ok    '} ${name}: ${journey.title} (${took})`)
    if (error) failures.push(`${name}: ${journey.title}\n${describe(error)}`)
  }
}
