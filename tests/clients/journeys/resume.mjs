// Subscribers that die at any moment and come back with the last seq they kept.

import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'

import { launch } from '../children.mjs'
import { Writer } from './workload.mjs'

export const title = 'two subscribers, killed again and again, miss nothing'

/** How often each is killed, and after how many events. */
const DEATHS = 4
const EVENTS_PER_LIFE = 9

const NODE = [process.execPath, new URL('./subscriber.mjs', import.meta.url).pathname]
const PYTHON = [
  new URL('../.venv/bin/python', import.meta.url).pathname,
  new URL('./python_subscriber.py', import.meta.url).pathname,
]

export async function run(town) {
  const writers = [new Writer(await town.newcomer()), new Writer(await town.newcomer())]
  const subscribers = [NODE, PYTHON].map((command) => new Subscriber(command, town))
  const lives = Promise.all(subscribers.map((subscriber) => subscriber.dieOften()))
  let dead = false
  lives.then(() => (dead = true), () => (dead = true))
  while (!dead) await Promise.all(writers.map((writer) => writer.day()))
  await lives

  await writers[0].create()
  const last = await headOf(town, writers[0])
  for (const subscriber of subscribers) await subscriber.liveUntil((line) => line.commit === last)
  const whole = new Subscriber(NODE, town)
  await whole.liveUntil((line) => line.commit === last)

  assert.ok(whole.lines.length > DEATHS * EVENTS_PER_LIFE)
  for (const subscriber of subscribers) assert.deepEqual(subscriber.lines, whole.lines)
}

async function headOf(town, { did }) {
  const url = `${town.service}/xrpc/com.atproto.sync.getLatestCommit?did=${did}`
  return (await (await fetch(url)).json()).cid
}

/** A process that follows the stream, and what it kept of it. */
class Subscriber {
  /** `{ seq, commit }` of each event, in order. */
  lines = []

  constructor(command, town) {
    this.command = command
    this.town = town
  }

  async dieOften() {
    for (let death = 0; death < DEATHS; death++) {
      const begun = this.lines.length
      await this.liveUntil(() => this.lines.length - begun >= EVENTS_PER_LIFE)
    }
  }

  /** Lives until a line after which it is killed, without a word. */
  async liveUntil(isLast) {
    const [program, ...args] = this.command
    const cursor = String(this.lines.at(-1)?.seq ?? 0)
    const options = { stdio: ['ignore', 'pipe', 'inherit'] }
    const { child, ended } = launch(program, [...args, this.town.stream, cursor], options)
    try {
      for await (const text of createInterface({ input: child.stdout })) {
        const line = JSON.parse(text)
        this.lines.push(line)
        if (isLast(line)) return
      }
    } finally {
      child.kill('SIGKILL')
      await ended
    }
    throw new Error(`${program} ended by itself`)
  }
}
