// A server as its clients see it, and the people who use it.

import { request } from 'node:http'

import { AtpAgent } from '@atproto/api'
import { IdResolver } from '@atproto/identity'

let people = 0

export class Town {
  constructor(service, directory, appView) {
    this.service = service
    this.directory = directory
    this.stream = service.replace(/^http/, 'ws')
    this.appView = appView
    this.identities = new IdResolver({ plcUrl: directory })
    // No DNS knows the handles of this town: ask the server, as HTTPS would.
    this.identities.handle.resolve = (handle) => this.didOfHandle(handle)
  }

  /** An account with a session, under a handle that nobody had before. */
  async newcomer() {
    people += 1
    const name = `p${people}-${Date.now().toString(36)}`
    const agent = new AtpAgent({ service: this.service })
    const person = { agent, handle: `${name}.test`, email: `${name}@example.com`, password: `secret of ${name}` }
    const { data } = await agent.createAccount({
      handle: person.handle,
      email: person.email,
      password: person.password,
    })
    return { ...person, did: data.did }
  }

  /** What `/.well-known/atproto-did` says under the host name of a handle. */
  didOfHandle(handle) {
    const url = new URL('/.well-known/atproto-did', this.service)
    return new Promise((resolve, reject) => {
      const asked = request(url, { headers: { host: handle } }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (part) => (text += part))
        answer.on('end', () => resolve(answer.statusCode === 200 ? text.trim() : undefined))
      })
      asked.on('error', reject).end()
    })
  }

  signingKey(did) {
    return this.identities.did.resolveAtprotoKey(did, true)
  }
}

/** A record of the collection that most of the network's records are in. */
export function post(text) {
  return { $type: 'app.bsky.feed.post', text, createdAt: new Date().toISOString() }
}
