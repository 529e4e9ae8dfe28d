// An AppView of one method, for clients that ask for a profile when they log
// in. It believes nobody: the request must carry the account's own signature.

import { createServer } from 'node:http'

import { IdResolver } from '@atproto/identity'
import { verifyJwt } from '@atproto/xrpc-server'

const PROFILE = 'app.bsky.actor.getProfile'

export async function startAppView(port, directory) {
  const identities = new IdResolver({ plcUrl: directory })
  const asked = []
  const server = createServer((request, response) => {
    answer(request).then(
      (profile) => reply(response, 200, profile),
      (error) => reply(response, 401, { error: 'AuthMissing', message: String(error) }),
    )
  })

  async function answer(request) {
    const url = new URL(request.url, 'http://appview')
    if (url.pathname !== `/xrpc/${PROFILE}`) throw new Error(`not served here: ${url.pathname}`)
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
    const keyOf = (did, refresh) => identities.did.resolveAtprotoKey(did, refresh)
    const claims = await verifyJwt(token, appView.did, PROFILE, keyOf)
    asked.push(claims.iss)
    const actor = url.searchParams.get('actor')
    const data = await identities.did.resolveAtprotoData(claims.iss)
    if (actor !== data.did && actor !== data.handle) throw new Error(`who is ${actor}?`)
    return { did: data.did, handle: data.handle, displayName: 'A profile' }
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  const appView = {
    url: `http://localhost:${server.address().port}`,
    did: 'did:web:appview.test',
    /** Who asked for a profile. */
    asked,
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
  return appView
}

function reply(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
