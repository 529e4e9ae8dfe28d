// Writes of every kind, and what a follower of the stream must see of them.

import { post } from '../town.mjs'

/** The most operations that one commit may carry. */
const OPERATIONS_MAX = 200
const TID_DIGITS = '234567abcdefghijklmnopqrstuvwxyz'
const COLLECTION = 'app.bsky.feed.post'

/** Somebody who writes, and the notes on what they wrote. */
export class Writer {
  constructor(person) {
    this.did = person.did
    this.repo = person.agent.com.atproto.repo
    /** `action uri cid` in order; no CID where there is none any more. */
    this.written = []
    /** rkeys of the records that are there. */
    this.rkeys = []
    this.count = 0
    this.micros = 0
  }

  async create() {
    const record = post(this.text())
    const { data } = await this.repo.createRecord({ repo: this.did, collection: COLLECTION, record })
    this.note('create', data.uri, data.cid)
  }

  async update() {
    const rkey = this.rkeys[this.count % this.rkeys.length]
    const record = post(this.text())
    const { data } = await this.repo.putRecord({ repo: this.did, collection: COLLECTION, rkey, record })
    this.note('update', data.uri, data.cid)
  }

  async delete() {
    const rkey = this.rkeys[(this.count * 7) % this.rkeys.length]
    await this.repo.deleteRecord({ repo: this.did, collection: COLLECTION, rkey })
    this.note('delete', this.uri(rkey))
  }

  /** Two commits as large as they may be: 200 creates, then 100 updates and 100 deletes. */
  async batches() {
    const rkeys = Array.from({ length: OPERATIONS_MAX }, () => this.tid())
    await this.apply(rkeys.map((rkey) => this.operation('create', rkey)))
    const half = OPERATIONS_MAX / 2
    await this.apply([
      ...rkeys.slice(0, half).map((rkey) => this.operation('update', rkey)),
      ...rkeys.slice(half).map((rkey) => this.operation('delete', rkey)),
    ])
  }

  /** A little of everything. */
  async day() {
    for (let i = 0; i < 6; i++) await this.create()
    for (let i = 0; i < 3; i++) await this.update()
    for (let i = 0; i < 2; i++) await this.delete()
    await this.batches()
    await this.create()
  }

  operation(action, rkey) {
    const operation = { $type: `com.atproto.repo.applyWrites#${action}`, collection: COLLECTION, rkey }
    return action === 'delete' ? operation : { ...operation, value: post(this.text()) }
  }

  async apply(writes) {
    const { data } = await this.repo.applyWrites({ repo: this.did, writes })
    data.results.forEach((result, index) => {
      const { $type, rkey } = writes[index]
      this.note($type.split('#')[1], this.uri(rkey), result.cid)
    })
  }

  /** A key of the collection's kind, greater than all before. */
  tid() {
    this.micros = Math.max(this.micros + 1, Date.now() * 1000)
    const bits = (BigInt(this.micros) << 10n).toString(2).padStart(65, '0')
    return bits.replace(/.{5}/g, (five) => TID_DIGITS[parseInt(five, 2)])
  }

  text() {
    this.count += 1
    return `number ${this.count} by ${this.did}`
  }

  uri(rkey) {
    return `at://${this.did}/${COLLECTION}/${rkey}`
  }

  note(action, uri, cid) {
    this.written.push([action, uri, cid].filter(Boolean).join(' '))
    const rkey = uri.split('/').at(-1)
    if (action === 'create') this.rkeys.push(rkey)
    if (action === 'delete') this.rkeys = this.rkeys.filter((other) => other !== rkey)
  }
}
