// The official consumer of the event stream, verifying every commit.

import assert from 'node:assert/strict'

import { Firehose } from '@atproto/sync'

import { Writer } from './workload.mjs'

export const title = '@atproto/sync follows history and live writes, and accepts every event'

export async function run(town) {
  const past = new Writer(await town.newcomer())
  await past.day()
  const both = new Writer(await town.newcomer())
  await both.create()

  const follower = new Follower(town, { cursor: 0 })
  const live = new Follower(town, {})
  await follower.until(() => follower.seen(both.did).length === both.written.length)
  await live.connected(both)

  const future = new Writer(await town.newcomer())
  await Promise.all([both.day(), future.day(), past.day()])
  const writers = [past, both, future]
  const caughtUp = (who) => writers.every((one) => who.seen(one.did).at(-1) === one.written.at(-1))
  await follower.until(() => caughtUp(follower))
  await live.until(() => caughtUp(live))
  await follower.stop()
  await live.stop()

  for (const writer of writers) assert.deepEqual(follower.seen(writer.did), writer.written)
  assert.deepEqual(live.seen(future.did), future.written)
  // A server may say where a new repository stands, in its first commit or besides.
  const kinds = follower.kinds(future.did).filter((kind) => kind !== 'sync')
  assert.deepEqual(kinds, ['identity', 'account', 'commit'])
}

/** A subscriber with verification on, and what it has seen. */
class Follower {
  #firehose
  #events = []
  #errors = []
  #wake = () => {}

  constructor(town, { cursor }) {
    this.#firehose = new Firehose({
      service: town.stream,
      idResolver: town.identities,
      getCursor: async () => cursor,
      handleEvent: (event) => {
        this.#events.push(event)
        this.#wake()
      },
      onError: (error) => {
        this.#errors.push(error)
        this.#wake()
      },
    })
    this.#firehose.start()
  }

  /** Waits for a state of what was seen; an event that is refused ends it. */
  async until(reached) {
    while (!reached()) {
      if (this.#errors.length > 0) throw new Error('an event was refused', { cause: this.#errors[0] })
      await new Promise((resolve) => (this.#wake = resolve))
    }
  }

  /** Writes until the stream shows one: from then on this follower is live. */
  async connected(writer) {
    while (this.seen(writer.did).length === 0) {
      await writer.create()
      const pause = new Promise((resolve) => setTimeout(resolve, 50))
      await Promise.race([pause, new Promise((resolve) => (this.#wake = resolve))])
    }
  }

  /** The writes of one repository, as a writer notes them. */
  seen(did) {
    const writes = this.#events.filter((event) => event.did === did && event.uri)
    return writes.map((event) => [event.event, event.uri, event.cid].filter(Boolean).join(' '))
  }

  /** Kinds of events of one account, each where it first came. */
  kinds(did) {
    const events = this.#events.filter((event) => event.did === did)
    return [...new Set(events.map((event) => (event.uri ? 'commit' : event.event)))]
  }

  async stop() {
    await this.#firehose.destroy()
    assert.deepEqual(this.#errors, [])
    const seqs = this.#events.map((event) => event.seq)
    assert.ok(seqs.every((seq, index) => index === 0 || seq >= seqs[index - 1]), 'seq grows')
  }
}
