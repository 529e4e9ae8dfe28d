// The official client library, through what a person does on the first day.

import assert from 'node:assert/strict'

import { AtpAgent } from '@atproto/api'

import { post } from '../town.mjs'

export const title = '@atproto/api signs up, posts, edits, deletes, lists and refreshes'

/** The smallest image there is: one transparent point. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
)

export async function run(town) {
  const person = await town.newcomer()
  await logIn(town, person)
  await postText(person)
  await postImage(person)
  await editProfile(person)
  await listAndDelete(person)
  await useAppPassword(town, person)
  await refresh(town, person)
}

async function logIn(town, person) {
  const agent = new AtpAgent({ service: town.service })
  for (const identifier of [person.handle, person.did, person.email]) {
    const { data } = await agent.login({ identifier, password: person.password })
    assert.equal(data.did, person.did)
    assert.equal(data.handle, person.handle)
    assert.equal(data.active, true)
  }
  const session = await agent.com.atproto.server.getSession()
  assert.equal(session.data.email, person.email)
  await assert.rejects(
    agent.login({ identifier: person.handle, password: 'something else' }),
    (error) => error.status === 401 && error.error === 'AuthenticationRequired',
  )
  assert.equal(await town.didOfHandle(person.handle), person.did)
  person.agent = agent
  await agent.login({ identifier: person.handle, password: person.password })
}

async function postText({ agent, did }) {
  const made = await agent.post({ text: 'Hello, world' })
  const [, , repo, collection, rkey] = made.uri.split('/')
  assert.deepEqual([repo, collection], [did, 'app.bsky.feed.post'])
  const { data } = await agent.com.atproto.repo.getRecord({ repo, collection, rkey })
  assert.equal(data.cid, made.cid)
  assert.equal(data.value.text, 'Hello, world')
  await assert.rejects(
    agent.com.atproto.repo.createRecord({ repo: did, collection, record: post('x'.repeat(3001)) }),
    (error) => error.status === 400 && error.error === 'InvalidRequest',
  )
}

async function postImage({ agent, did }) {
  const uploaded = await agent.uploadBlob(PNG, { encoding: 'image/png' })
  const blob = uploaded.data.blob
  assert.equal(blob.mimeType, 'image/png')
  assert.equal(blob.size, PNG.length)
  const embed = { $type: 'app.bsky.embed.images', images: [{ alt: 'a point', image: blob }] }
  await agent.post({ text: 'Look', embed })
  const cid = blob.ref.toString()
  const { data, headers } = await agent.com.atproto.sync.getBlob({ did, cid })
  assert.deepEqual(Buffer.from(data), PNG)
  assert.equal(headers['content-type'], 'image/png')
  const { data: listed } = await agent.com.atproto.sync.listBlobs({ did })
  assert.deepEqual(listed.cids, [cid])
}

async function editProfile({ agent, did }) {
  const profile = async () => {
    const repo = { repo: did, collection: 'app.bsky.actor.profile', rkey: 'self' }
    return (await agent.com.atproto.repo.getRecord(repo)).data.value
  }
  await agent.upsertProfile(() => ({ displayName: 'Somebody' }))
  assert.equal((await profile()).displayName, 'Somebody')
  await agent.upsertProfile((before) => ({ ...before, description: 'lives here' }))
  const { displayName, description } = await profile()
  assert.deepEqual([displayName, description], ['Somebody', 'lives here'])
}

async function listAndDelete({ agent, did }) {
  const collection = 'app.bsky.feed.post'
  const list = async () => {
    const uris = []
    let cursor
    do {
      const { data } = await agent.com.atproto.repo.listRecords({ repo: did, collection, limit: 1, cursor })
      uris.push(...data.records.map((record) => record.uri))
      cursor = data.cursor
    } while (cursor)
    return uris
  }
  const before = await list()
  assert.equal(before.length, 2)
  await agent.deletePost(before[1])
  assert.deepEqual(await list(), [before[0]])
  const { data: described } = await agent.com.atproto.repo.describeRepo({ repo: did })
  assert.deepEqual(described.collections.toSorted(), ['app.bsky.actor.profile', collection])
  assert.equal(described.handleIsCorrect, true)
}

async function useAppPassword(town, { agent, did, handle }) {
  const server = agent.com.atproto.server
  const { data: made } = await server.createAppPassword({ name: 'reader' })
  const { data: listed } = await server.listAppPasswords()
  assert.deepEqual(listed.passwords.map((one) => one.name), ['reader'])

  const app = new AtpAgent({ service: town.service })
  await app.login({ identifier: handle, password: made.password })
  await app.post({ text: 'from an app' })
  await assert.rejects(app.com.atproto.server.createAppPassword({ name: 'another' }))
  await assert.rejects(app.com.atproto.server.deactivateAccount({}))

  await server.revokeAppPassword({ name: 'reader' })
  await assert.rejects(
    new AtpAgent({ service: town.service }).login({ identifier: handle, password: made.password }),
    (error) => error.status === 401,
  )
  assert.equal(app.did, did)
}

async function refresh(town, person) {
  const agent = new AtpAgent({ service: town.service })
  await agent.login({ identifier: person.handle, password: person.password })
  const before = { ...agent.session }
  await agent.sessionManager.refreshSession()
  assert.notEqual(agent.session.refreshJwt, before.refreshJwt)
  assert.equal((await agent.com.atproto.server.getSession()).data.did, person.did)

  // A client that resumes with what it kept gets in, too.
  const resumed = new AtpAgent({ service: town.service })
  await resumed.resumeSession(agent.session)
  assert.equal(resumed.did, person.did)
  const kept = resumed.session.refreshJwt
  await resumed.logout()
  const response = await fetch(`${town.service}/xrpc/com.atproto.server.refreshSession`, {
    method: 'POST',
    headers: { authorization: `Bearer ${kept}` },
  })
  assert.equal(response.status, 400)
  assert.equal((await response.json()).error, 'ExpiredToken')
}
