// Runs every journey in a real browser, and says how each went.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { AtpAgent } from '@atproto/api'

import { describe, withinLimit } from '../clients/outcome.mjs'
import * as account from './journeys/account.mjs'
import * as confidential from './journeys/confidential.mjs'
import * as moving from './journeys/moving.mjs'
import * as python from './journeys/python.mjs'
import * as singlePage from './journeys/single_page.mjs'
import { startChromium } from './pages.mjs'
import { startTown } from './town.mjs'

const JOURNEYS = [confidential, singlePage, python, moving, account]
/** No journey takes longer, on a machine that does other things too. */
const JOURNEY_MS_MAX = 240_000

const engine = process.argv[2] ?? 'sqlite'
const folder = await mkdtemp(join(tmpdir(), 'freehold-browser-'))
const failures = []
const town = await startTown(engine, folder)
const chromium = await startChromium()
for (const [at, journey] of JOURNEYS.entries()) {
  const began = performance.now()
  const error = await withinLimit(once(journey, at), JOURNEY_MS_MAX).then(() => null, (error) => error)
  console.log(`${error ? 'FAILED' : 'ok    '} ${engine}: ${journey.title} (${Math.round(performance.now() - began)} ms)`)
  if (error) failures.push(`${journey.title}\n${describe(error)}`)
}
await chromium.close()
if (failures.length > 0) failures.push(`what the server logged:\n${town.log()}`)
await town.stop()
await rm(folder, { recursive: true, force: true })
for (const failure of failures) console.error(`\n${failure}`)
console.log(failures.length === 0 ? 'browser: all journeys passed' : 'browser: failed')
process.exit(failures.length === 0 ? 0 : 1)

async function once(journey, at) {
  const person = await newcomer(`visitor${at}`)
  await journey.run({ ...town, chromium, person })
}

async function newcomer(name) {
  const agent = new AtpAgent({ service: town.service })
  const person = { handle: `${name}.test`, password: `the password of ${name}` }
  const { data } = await agent.createAccount({ ...person, email: `${name}@example.com` })
  return { ...person, did: data.did }
}
