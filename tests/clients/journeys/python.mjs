// The Python client library, in a process of its own.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export const title = "Python's atproto logs in, posts, likes and deletes"

const PYTHON = new URL('../.venv/bin/python', import.meta.url).pathname
const SCRIPT = new URL('./python_client.py', import.meta.url).pathname

export async function run(town) {
  const person = await town.newcomer()
  const { stdout } = await promisify(execFile)(PYTHON, [SCRIPT, town.service, person.handle, person.password])
  const { did, post } = JSON.parse(stdout)
  assert.equal(did, person.did)
  assert.ok(town.appView.asked.includes(person.did), 'its login asks the AppView for the profile')
  const [repo, collection, rkey] = post.split('/').slice(2)
  const { data } = await person.agent.com.atproto.repo.getRecord({ repo, collection, rkey })
  assert.equal(data.value.text, 'from Python')
}
