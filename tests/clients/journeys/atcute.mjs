// The small client library that many apps in browsers use.

import assert from 'node:assert/strict'

import { Client, ok } from '@atcute/client'
import { PasswordSession } from '@atcute/password-session'

import { post } from '../town.mjs'

export const title = '@atcute/client logs in and posts'

export async function run(town) {
  const person = await town.newcomer()
  const session = await PasswordSession.login({
    service: town.service,
    identifier: person.handle,
    password: person.password,
  })
  const client = new Client({ handler: session })
  assert.equal((await ok(client.get('com.atproto.server.getSession'))).did, person.did)

  const input = { repo: person.did, collection: 'app.bsky.feed.post', record: post('from atcute') }
  const made = await ok(client.post('com.atproto.repo.createRecord', { input }))
  assert.equal(made.validationStatus, 'valid')
  const params = { repo: person.did, collection: 'app.bsky.feed.post' }
  const listed = await ok(client.get('com.atproto.repo.listRecords', { params }))
  assert.deepEqual(listed.records.map((record) => record.uri), [made.uri])

  const refused = await client.get('com.atproto.repo.getRecord', { params: { ...params, rkey: 'nothing-here' } })
  assert.deepEqual([refused.ok, refused.data.error], [false, 'RecordNotFound'])
}
