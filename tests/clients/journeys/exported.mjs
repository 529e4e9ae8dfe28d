// The official repository library, on every CAR that the server hands out.

import assert from 'node:assert/strict'

import { getAndParseRecord, readCarWithRoot, verifyProofs, verifyRepo } from '@atproto/repo'

import { Writer } from './workload.mjs'

export const title = '@atproto/repo verifies whole exports, exports since a rev, and single records'

export async function run(town) {
  const person = await town.newcomer()
  const writer = new Writer(person)
  const empty = await verified(town, person)
  assert.equal(empty.records.size, 0)

  await writer.day()
  const first = await verified(town, person)
  assert.deepEqual(first.records, expected(writer))

  await writer.day()
  const second = await verified(town, person)
  assert.deepEqual(second.records, expected(writer))
  assert.ok(second.rev > first.rev && first.rev > empty.rev, 'rev grows')
  const { data: latest } = await person.agent.com.atproto.sync.getLatestCommit({ did: person.did })
  assert.deepEqual(latest, { cid: second.root, rev: second.rev })

  await since(person, first, second)
  await single(town, person, second)
}

/** The repository, whole, checked against the account's key. */
async function verified(town, { agent, did }) {
  const { data, headers } = await agent.com.atproto.sync.getRepo({ did })
  assert.equal(headers['content-type'], 'application/vnd.ipld.car')
  const { root, blocks } = await readCarWithRoot(data)
  const { creates, commit } = await verifyRepo(blocks, root, did, await town.signingKey(did))
  for (const { collection, rkey, cid } of creates) {
    const { record } = await getAndParseRecord(blocks, cid)
    assert.equal(record.$type, collection, rkey)
  }
  const records = new Map(
    creates.map((one) => [`at://${did}/${one.collection}/${one.rkey}`, one.cid.toString()]).sort(),
  )
  return { root: root.toString(), rev: commit.rev, creates, records, blocks }
}

/** What a writer has written and not deleted: the last CID of each record. */
function expected(writer) {
  const records = new Map()
  for (const [action, uri, cid] of writer.written.map((note) => note.split(' '))) {
    if (action === 'delete') records.delete(uri)
    else records.set(uri, cid)
  }
  return new Map([...records].sort())
}

/** What changed since a rev holds each record that is new since then. */
async function since({ agent, did }, first, second) {
  const { data } = await agent.com.atproto.sync.getRepo({ did, since: first.rev })
  const { root, blocks } = await readCarWithRoot(data)
  assert.equal(root.toString(), second.root)
  for (const [uri, cid] of second.records) {
    if (first.records.get(uri) !== cid) assert.ok([...blocks.cids()].some((one) => one.toString() === cid), uri)
  }
  assert.ok(blocks.size < second.blocks.size, 'it is less than everything')
}

/** A record with the proof that it is there, and the proof that another is not. */
async function single(town, { agent, did }, repo) {
  const { collection, rkey, cid } = repo.creates[0]
  const key = await town.signingKey(did)
  for (const claim of [{ collection, rkey, cid }, { collection, rkey: 'nothing-here', cid: null }]) {
    const { data } = await agent.com.atproto.sync.getRecord({ did, collection, rkey: claim.rkey })
    const { verified, unverified } = await verifyProofs(data, [claim], did, key)
    assert.deepEqual([verified.length, unverified.length], [1, 0], claim.rkey)
  }
}
