// A Python client of OAuth, in a process of its own; the browser in between is
// real.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline/promises'

import { openBrowser, signIn } from '../pages.mjs'

export const title = "Python's atproto-oauth, public"

const PYTHON = new URL('../../clients/.venv/bin/python', import.meta.url).pathname
const SCRIPT = new URL('./python_oauth.py', import.meta.url).pathname

export async function run({ service, directory, chromium, person }) {
  const landing = createServer((_, response) => response.end('Back in the app.'))
  await new Promise((resolve) => landing.listen(0, '127.0.0.1', resolve))
  const redirect = `http://127.0.0.1:${landing.address().port}/callback`
  const app = spawn(PYTHON, [SCRIPT, service, directory, person.did, redirect], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(app, 'exit')
  const lines = createInterface({ input: app.stdout })[Symbol.asyncIterator]()
  const browser = await openBrowser(chromium, service)
  await browser.page.goto((await lines.next()).value)
  await signIn(browser.page, person)
  await browser.page.click('button[value=allow]')
  await browser.page.waitForURL(`${redirect}*`)
  app.stdin.end(`${browser.page.url()}\n`)
  const { post } = JSON.parse((await lines.next()).value ?? '{}')
  assert.match(post ?? '', new RegExp(`^at://${person.did}/app.bsky.feed.post/`))
  assert.deepEqual(await ended, [0, null])
  await browser.close()
  await new Promise((resolve) => landing.close(resolve))
}
