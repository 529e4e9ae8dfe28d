// The command that people move with: in from the official server, killed in the
// middle and run again, and out to another one.

import assert from 'node:assert/strict'

import { AtpAgent } from '@atproto/api'

import { Command } from '../command.mjs'
import * as move from '../move.mjs'
import { assertSame, belongings, resident } from '../people.mjs'

export const title = '`freehold migrate` brings an account in, killed in the middle, and takes it out again'

const COUNTS = { records: 500, blobs: 40 }
const FEW = { records: 20, blobs: 3 }
/** After each of them the command dies once. */
const STEPS = [
  'migrate: the account is made',
  'migrate: the repository is copied',
  'migrate: everything is copied',
  'migrate: the code was asked for',
  'migrate: the operation is signed',
  'migrate: the identity has changed',
  'migrate: the new account speaks',
  'migrate: the old account is silent',
]

export async function run({ first, second, ours, town, mail, freehold }) {
  const person = await resident(first, COUNTS)
  const before = await belongings(first, person.agent, person.did)
  const moveIn = (...more) => new Command(freehold, ['in', '--from', first.service, '--handle', person.handle, ...more], person.password)

  const dry = await moveIn('--dry-run').succeeds()
  assert.match(dry, /500 records, 40 blobs, 3 preferences/)
  assert.match(dry, new RegExp(`as ${person.name}\\.ours\\.test`))
  const stranger = await fetch(`${ours.service}/xrpc/com.atproto.sync.getRepoStatus?did=${person.did}`)
  assert.equal(stranger.status, 400, 'a dry run does nothing')

  await killedAmongBlobs(moveIn(), person, ours)
  await stoppedBeforeTheCode(moveIn(), person)
  await killedAtTheCode(moveIn(), person)
  await passed(moveIn(), person, mail)
  const here = await arrived(person, ours)
  assertSame(before, await belongings(ours, here, person.did, await town.signingKey(person.did)), COUNTS)
  // The same command again finds nothing to do.
  assert.match(await moveIn().succeeds(), /lives at/)

  await pastTheCode({ first, ours, town, mail, freehold })
  await deadAfterEachStep({ first, ours, town, mail, freehold })

  const resident2 = { ...person, handle: person.name + ours.domain }
  const out = ['out', '--to', second.service, '--handle', resident2.handle]
  await passed(new Command(freehold, out, person.password), resident2, mail)
  const there = await arrived(person, second)
  assertSame(before, await belongings(second, there, person.did), COUNTS)
  assert.equal((await there.com.atproto.server.checkAccountStatus()).data.activated, true)
}

/** Some blobs are there, and nothing else has happened. */
async function killedAmongBlobs(command, person, ours) {
  await command.says(/blobs 8\/40/)
  await command.kill()
  const agent = await arrived(person, ours)
  const { data } = await agent.com.atproto.server.checkAccountStatus()
  assert.deepEqual([data.activated, data.indexedRecords], [false, COUNTS.records])
  assert.ok(data.importedBlobs >= 8 && data.importedBlobs < COUNTS.blobs, `${data.importedBlobs} blobs`)
}

/** Everything is copied, and whoever says no at the last question stays. */
async function stoppedBeforeTheCode(command, person) {
  await command.says(/Type .* to go on/)
  assert.match(command.output, /records +old +500 \w+ +new +500 \w+ +equal/)
  command.answer('no')
  await assert.rejects(command.succeeds(), /before the point of no return/)
  const { data } = await person.agent.com.atproto.server.checkAccountStatus()
  assert.equal(data.activated, true, 'the old account lives on')
}

/** The code is on its way to nobody: the next run asks for another one. */
async function killedAtTheCode(command, person) {
  await command.says(/Type .* to go on/)
  command.answer(person.handle)
  await command.says(/The code that .* has mailed you/)
  await command.kill()
}

/** The identity has changed, and then nothing more happened: nothing is asked again. */
async function pastTheCode({ first, ours, town, mail, freehold }) {
  const person = await resident(first, FEW)
  const before = await belongings(first, person.agent, person.did)
  const half = await move.enrol(person, ours)
  await move.takeRepo(person, half)
  await move.changeIdentity(person, half, mail)
  const args = ['in', '--from', first.service, '--handle', person.handle]
  const said = await new Command(freehold, args, person.password).succeeds()
  assert.doesNotMatch(said, /to go on|mailed you/)
  const here = await arrived(person, ours)
  assertSame(before, await belongings(ours, here, person.did, await town.signingKey(person.did)), FEW)
}

/** It dies after each step, and the next run goes on from there. */
async function deadAfterEachStep({ first, ours, town, mail, freehold }) {
  const person = await resident(first, FEW)
  const before = await belongings(first, person.agent, person.did)
  const args = ['in', '--from', first.service, '--handle', person.handle]
  for (const step of STEPS) {
    const settings = { ...freehold.settings, FREEHOLD_CRASH_AT: step }
    const command = new Command({ ...freehold, settings }, args, person.password)
    await answered(command, person, mail)
    await command.dies()
  }
  assert.match(await new Command(freehold, args, person.password).succeeds(), /lives at/)
  const here = await arrived(person, ours)
  assertSame(before, await belongings(ours, here, person.did, await town.signingKey(person.did)), FEW)
  const { data } = await person.agent.com.atproto.server.checkAccountStatus()
  assert.equal(data.activated, false, 'the old account is silent')
}

/** Answers what is asked, as far as the command comes. */
async function answered(command, person, mail) {
  const since = mail.letters.length
  try {
    await command.says(/Type .* to go on/)
    command.answer(person.handle)
    await command.says(/The code that .* has mailed you/)
  } catch {
    return
  }
  command.answer(await mail.code(person.email, since))
}

async function passed(command, person, mail) {
  const since = mail.letters.length
  await command.says(/Type .* to go on/)
  command.answer(person.handle)
  await command.says(/The code that .* has mailed you/)
  command.answer(await mail.code(person.email, since))
  const said = await command.succeeds()
  assert.match(said, /blobs +old +40 \w+ +new +40 \w+ +equal/)
  assert.ok(!said.includes(person.password), 'the password is nowhere')
}

async function arrived(person, home) {
  const agent = new AtpAgent({ service: home.service })
  await agent.login({ identifier: person.did, password: person.password })
  return agent
}
