// `@atproto/oauth-client-browser`, as an app that lives in the browser and is
// being developed: log in, calls, refresh, refresh at the same time, revocation.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'

import { build } from 'esbuild'

import { openBrowser, signIn } from '../pages.mjs'

export const title = '@atproto/oauth-client-browser, public'

export async function run({ service, directory, chromium, person }) {
  const app = await startApp({ service, directory })
  const browser = await openBrowser(chromium, service)
  const { page } = browser
  await page.goto(app.origin)
  await page.evaluate(() => window.ready)
  await page.evaluate((handle) => window.signIn(handle), person.handle).catch(() => {})
  await page.waitForURL(`${service}/oauth/authorize**`)
  assert.equal(await page.inputValue('input[name=identifier]'), person.handle)
  await signIn(page, person)
  await page.waitForSelector('button[value=allow]')
  await page.click('button[value=allow]')
  await page.waitForURL(`${app.origin}/**`)
  assert.equal(await page.evaluate(() => window.ready), person.did)
  const uri = await page.evaluate(() => window.post('from a browser'))
  assert.match(uri, /^at:\/\//)
  const scopes = await page.evaluate(() => window.refresh())
  assert.deepEqual(scopes, ['atproto transition:generic', 'atproto transition:generic', 'atproto transition:generic'])
  // Another window of the same app goes on with the same session.
  const other = await browser.context.newPage()
  await other.goto(app.origin)
  assert.equal(await other.evaluate(() => window.ready), person.did)
  const [here, there] = await Promise.all([
    page.evaluate(() => window.refresh()),
    other.evaluate(() => window.refresh()),
  ])
  assert.equal(here.length + there.length, 6)
  await page.evaluate(() => window.signOut())
  assert.equal(await page.evaluate(() => window.post('too late').catch(() => 'refused')), 'refused')
  await browser.close()
  await app.stop()
}

async function startApp({ service, directory }) {
  const bundle = await build({
    stdin: { contents: source(service, directory), resolveDir: new URL('.', import.meta.url).pathname },
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
  })
  const script = bundle.outputFiles[0].text
  const server = createServer((request, response) => {
    const isScript = request.url === '/app.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(isScript ? script : '<!doctype html><title>An app</title><script type="module" src="/app.js"></script>')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
}

const source = (service, directory) => `
import { Agent } from '@atproto/api'
import { BrowserOAuthClient, buildAtprotoLoopbackClientMetadata } from '@atproto/oauth-client-browser'

const client = new BrowserOAuthClient({
  clientMetadata: buildAtprotoLoopbackClientMetadata({
    scope: 'atproto transition:generic',
    redirect_uris: [location.origin + '/'],
  }),
  handleResolver: ${JSON.stringify(service)},
  plcDirectoryUrl: ${JSON.stringify(directory)},
  allowHttp: true,
})
let session
window.ready = client.init().then((result) => {
  session = result?.session
  return session?.did
})
window.signIn = (handle) => client.signIn(handle, { scope: 'atproto transition:generic' })
window.post = async (text) => {
  const record = { $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() }
  const agent = new Agent(session)
  const made = await agent.com.atproto.repo.createRecord({ repo: session.did, collection: record.$type, record })
  return made.data.uri
}
window.refresh = async () => {
  const all = await Promise.all([1, 2, 3].map(() => session.getTokenInfo(true)))
  return all.map((info) => info.scope)
}
window.signOut = () => session.signOut()
`
