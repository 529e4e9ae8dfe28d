// `@atproto/oauth-client-node`, as the back end of a web app that proves who it
// is: log in, calls, refresh, refresh at the same time, revocation.

import assert from 'node:assert/strict'

import { Agent } from '@atproto/api'
import { JoseKey, NodeOAuthClient } from '@atproto/oauth-client-node'

import { WAYS, openBrowser, signIn } from '../pages.mjs'

export const title = '@atproto/oauth-client-node, confidential'

const SCOPE = 'atproto transition:generic'
const FINE_SCOPE = 'atproto repo:app.bsky.feed.post blob:image/* identity:handle'

export async function run({ service, directory, site, chromium, person }) {
  const client = await confidentialClient({ service, directory, site })
  const browser = await openBrowser(chromium, service)
  const { page, look } = browser
  const url = await client.authorize(service, { scope: SCOPE, state: 'remember me' })
  await page.goto(String(url))
  await look('app-sign-in')
  await signIn(page, person)
  await page.waitForSelector('button[value=allow]')
  await look('consent')
  await page.click('button[value=allow]')
  const { session, state } = await client.callback(await answered(page, site.origin))
  assert.equal(state, 'remember me')
  assert.equal(session.did, person.did)

  const agent = new Agent(session)
  const record = { $type: 'app.bsky.feed.post', text: 'by an app', createdAt: new Date().toISOString() }
  const { data } = await agent.com.atproto.repo.createRecord({
    repo: session.did, collection: 'app.bsky.feed.post', record,
  })
  assert.match(data.uri, /^at:\/\//)
  const uploaded = await agent.uploadBlob(new Uint8Array([1, 2, 3]), { encoding: 'application/octet-stream' })
  assert.equal(uploaded.data.blob.size, 3)
  const before = await session.getTokenInfo(false)
  await Promise.all([session.getTokenInfo(true), session.getTokenInfo(true), session.getTokenInfo(true)])
  const after = await session.getTokenInfo(false)
  assert.ok(after.expiresAt >= before.expiresAt)
  const restored = await client.restore(session.did)
  await new Agent(restored).com.atproto.server.getSession()

  // Agreed once, an app that proves itself is let through without a question.
  await page.goto(String(await client.authorize(service, { scope: SCOPE, prompt: 'none' })))
  const second = await client.callback(await answered(page, site.origin))
  assert.equal(second.session.did, person.did)

  await sentAway(page, look, service)
  await assert.rejects(new Agent(second.session).com.atproto.server.getSession())

  // The app gives its session up.
  await page.goto(String(await client.authorize(service, { scope: SCOPE })))
  await page.click('button[value=allow]')
  const third = await client.callback(await answered(page, site.origin))
  await third.session.signOut()
  await assert.rejects(client.restore(person.did))
  await browser.close()
  for (const way of WAYS) await decided({ client, service, site, chromium, person, way })
}

/** Somebody says no, then yes, then sends the app away. */
async function decided({ client, service, site, chromium, person, way }) {
  const browser = await openBrowser(chromium, service, way)
  const { page, look } = browser
  await page.goto(String(await client.authorize(service, { scope: FINE_SCOPE, state: 'no' })))
  await look('app-sign-in')
  await signIn(page, person)
  await page.waitForSelector('button[value=deny]')
  await look('consent')
  await page.click('button[value=deny]')
  await assert.rejects(client.callback(await answered(page, site.origin)), /said no|access_denied/)
  await page.goto(String(await client.authorize(service, { scope: FINE_SCOPE, state: 'yes' })))
  await look('consent-signed-in')
  // What is unticked is not given.
  await page.uncheck('fieldset.risky input[type=checkbox]')
  await page.click('button[value=allow]')
  const { session } = await client.callback(await answered(page, site.origin))
  const { scope } = await session.getTokenInfo(false)
  assert.ok(scope.includes('repo:app.bsky.feed.post') && !scope.includes('identity:'), scope)
  await sentAway(page, look, service)
  await assert.rejects(new Agent(session).com.atproto.server.getSession())
  await browser.close()
}

/** Somebody sends every app away. */
async function sentAway(page, look, service) {
  await page.goto(`${service}/account/apps`)
  await look('apps-connected')
  while ((await page.$$('form[action="/account/apps/revoke"]')).length > 0) {
    await page.click('form[action="/account/apps/revoke"] button')
    await page.waitForLoadState('load')
  }
}

async function confidentialClient({ service, directory, site }) {
  const key = await JoseKey.generate(['ES256'], 'one')
  const metadata = {
    client_id: `${site.origin}/client.json`,
    client_name: 'A real app',
    client_uri: site.origin,
    redirect_uris: [`${site.origin}/callback`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: `${SCOPE} ${FINE_SCOPE.replace('atproto ', '')}`,
    application_type: 'web',
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    dpop_bound_access_tokens: true,
    jwks_uri: `${site.origin}/jwks.json`,
  }
  const client = new NodeOAuthClient({
    clientMetadata: metadata,
    keyset: [key],
    stateStore: store(),
    sessionStore: store(),
    allowHttp: true,
    plcDirectoryUrl: directory,
    handleResolver: service,
  })
  site.publish('/client.json', client.clientMetadata)
  site.publish('/jwks.json', client.jwks)
  return client
}

function store() {
  const kept = new Map()
  return {
    get: async (key) => kept.get(key),
    set: async (key, value) => void kept.set(key, value),
    del: async (key) => void kept.delete(key),
  }
}

/** The address at which the app gets its answer. */
async function answered(page, origin) {
  await page.waitForURL(`${origin}/callback*`)
  return new URL(page.url()).searchParams
}
