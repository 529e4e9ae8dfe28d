// Prints seq and commit of every event: STREAM CURSOR.

import { Subscription } from '@atproto/xrpc-server'

const [service, cursor] = process.argv.slice(2)
const stream = new Subscription({
  service,
  method: 'com.atproto.sync.subscribeRepos',
  getParams: () => ({ cursor: Number(cursor) }),
  validate: (message) => message,
})
for await (const { seq, commit } of stream) {
  if (seq !== undefined) console.log(JSON.stringify({ seq, commit: commit?.toString() ?? null }))
}
