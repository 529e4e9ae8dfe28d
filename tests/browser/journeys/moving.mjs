// Somebody moves their account here from another server, by the pages.

import assert from 'node:assert/strict'

import { AtpAgent } from '@atproto/api'

import { WAYS, openBrowser, signIn } from '../pages.mjs'

export const title = 'an account moves in, in a browser'

export async function run({ service, neighbour, chromium, lines }) {
  for (const [at, way] of WAYS.entries()) {
    const browser = await openBrowser(chromium, service, way)
    await journey(browser, { service, neighbour, lines, name: `mover${at}` })
    await browser.close()
  }
}

async function journey({ page, look }, { service, neighbour, lines, name }) {
  const old = new AtpAgent({ service: neighbour })
  const person = { handle: `${name}.test`, email: `${name}@example.com`, password: 'the old password' }
  const { data } = await old.createAccount(person)
  for (const text of ['one', 'two']) await old.post({ text })

  await page.goto('/account/move-in')
  await page.fill('input[name=identifier]', data.did)
  await page.fill('input[name=password]', 'a wrong password')
  await page.click('form[action="/account/move-in"] button[type=submit]')
  await page.waitForSelector('[role=alert]')
  await look('move-in-refused')
  await page.fill('input[name=password]', person.password)
  await page.click('form[action="/account/move-in"] button[type=submit]')
  await page.waitForSelector('form[action="/account/moving/copy"]')
  await look('move-in-planned')
  await page.fill('input[name=password]', 'the new password')
  await page.click('form[action="/account/moving/copy"] button[type=submit]')
  await page.waitForSelector('form[action="/account/moving/change"]')
  await look('move-in-copied')
  const before = lines.length
  await page.click('form[action="/account/moving/code"] button[type=submit]')
  await page.waitForSelector('[role=status]')
  await page.fill('input[name=code]', await mailed(lines, before))
  await page.click('form[action="/account/moving/change"] button[type=submit]')
  await page.click('a.button[href="/account/sign-in"]', { trial: true })
  await look('move-in-arrived')
  await page.click('a.button[href="/account/sign-in"]')
  await signIn(page, { handle: person.handle, password: 'the new password' })
  await page.waitForURL('**/account')
  const here = new AtpAgent({ service })
  const posts = await here.com.atproto.repo.listRecords({ repo: data.did, collection: 'app.bsky.feed.post' })
  assert.equal(posts.data.records.length, 2)
  const rests = await new AtpAgent({ service: neighbour }).com.atproto.sync.getRepoStatus({ did: data.did })
  assert.equal(rests.data.active, false)
}

/** The code in the letter that the old server has printed since. */
async function mailed(lines, from) {
  for (;;) {
    const found = lines.slice(from).map((line) => /^\s+([A-Z2-7]{5}-[A-Z2-7]{5})$/.exec(line)?.[1]).find(Boolean)
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
