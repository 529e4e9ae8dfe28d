// Somebody signs up, looks at every page of their account, sets an authenticator
// app up and signs in with it; on a phone and on a desktop, in two languages.

import assert from 'node:assert/strict'

import { OTHER_LANGUAGES, WAYS, openBrowser, signIn, totp } from '../pages.mjs'

export const title = 'an account, in a browser'

const PLACES = [
  'handle', 'email', 'password', 'security', 'passkeys', 'app-passwords', 'apps', 'devices', 'repository', 'data', 'leave',
  'move-in', 'move-out',
]

export async function run({ service, chromium }) {
  for (const [at, way] of WAYS.entries()) {
    const browser = await openBrowser(chromium, service, way)
    await journey(browser, `person${at}`)
    await browser.close()
  }
  for (const [at, way] of OTHER_LANGUAGES.entries()) {
    const browser = await openBrowser(chromium, service, way)
    await lookAround(browser, `reader${at}`)
    await browser.close()
  }
}

async function journey(browser, name) {
  const { page, look } = browser
  const person = await lookAround(browser, name)
  await page.goto('/account/handle?check=example.com')
  await look('handle-own')
  await page.goto('/nowhere')
  await look('not-found')
  await keyboard(page)
  await appPassword(page, look)
  await secondFactor(page, look, person)
  await download(page)
  await passkey(page, look)
  await withoutPassword(page, look, name)
}

/** Signs up, and looks at every page. */
async function lookAround({ page, look }, name) {
  const person = { handle: `${name}.test`, password: `the password of ${name}` }
  await page.goto('/')
  await look('home')
  await page.goto('/account/sign-in')
  await look('sign-in')
  await page.goto('/account/reset-password')
  await look('reset-password')
  await page.goto('/account/reset-password/code')
  await look('reset-password-code')
  await page.goto('/account/sign-up')
  await look('sign-up')
  await page.fill('input[name=name]', `${name}`)
  await page.waitForSelector('[data-check-told].good')
  await page.fill('input[name=name]', 'a b')
  await page.fill('input[name=email]', `${name}@example.com`)
  await page.fill('input[name=password]', person.password)
  await page.click('form[action="/account/sign-up"] button[type=submit]')
  await page.waitForSelector('[role=alert]')
  await look('sign-up-refused')
  await page.fill('input[name=name]', name)
  await page.fill('input[name=password]', person.password)
  await page.click('form[action="/account/sign-up"] button[type=submit]')
  await page.waitForURL('**/account')
  await look('account')
  for (const place of PLACES) {
    await page.goto(`/account/${place}`)
    await look(place)
  }
  return person
}

/** Whoever uses the keyboard skips the navigation and sees where they are. */
async function keyboard(page) {
  await page.goto('/account')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/account#main')
}

async function appPassword(page, look) {
  await page.goto('/account/app-passwords')
  await page.fill('input[name=name]', 'my phone')
  await page.click('form[action="/account/app-passwords"] button[type=submit]')
  assert.match(await page.textContent('pre'), /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/)
  await look('app-password-made')
}

async function secondFactor(page, look, person) {
  await page.goto('/account/security')
  await page.click('form[action="/account/security/totp"] button')
  await look('totp-setup')
  const secret = await page.textContent('pre')
  await page.fill('input[name=code]', totp(secret))
  await page.click('form[action="/account/security/totp/confirm"] button')
  await page.waitForSelector('[role=status]')
  await look('totp-done')
  await page.goto('/account')
  await page.click('form[action="/account/sign-out"] button')
  await page.waitForURL('**/account/sign-in')
  await signIn(page, person)
  await page.waitForURL('**/account/sign-in/code')
  await look('sign-in-code')
  await page.fill('input[name=code]', totp(secret, 1))
  await page.click('form[action="/account/sign-in/code"] button')
  await page.waitForURL('**/account')
}

async function download(page) {
  await page.goto('/account/data')
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[href^="/account/data/download"]')])
  const parts = []
  for await (const part of await download.createReadStream()) parts.push(part)
  const archive = Buffer.concat(parts)
  assert.ok(archive.includes('repo.car') && archive.length % 512 === 0)
  // The bar has followed it to its end.
  await page.waitForFunction(() => {
    const bar = document.querySelector('progress')
    return bar.max > 1 && bar.value === bar.max
  })
}

/** A key in the device opens the account, with nothing else. */
async function passkey(page, look) {
  const unplug = await plugIn(page)
  await page.goto('/account/passkeys')
  await addPasskey(page, 'a virtual key', look)
  await look('passkeys-one')
  await signOutAndIn(page, look)
  await page.goto('/account/password')
  await look('password-removable')
  await page.goto('/account/passkeys')
  await page.click('form[action="/account/passkeys/remove"] button')
  await page.waitForSelector('form[action="/account/passkeys"]')
  assert.equal(await page.$('form[action="/account/passkeys/remove"]'), null)
  await page.goto('/account')
  await page.click('form[action="/account/sign-out"] button')
  await page.waitForURL('**/account/sign-in')
  await unplug()
}

/** Somebody signs up with a recovery key and a passkey, and never has a password. */
async function withoutPassword(page, look, name) {
  await plugIn(page)
  await page.goto('/account/sign-up')
  await page.click('a[href*="with=passkey"]')
  await look('sign-up-passkey')
  await page.fill('input[name=name]', `${name}-key`)
  await page.fill('input[name=email]', `${name}-key@example.com`)
  await page.click('summary')
  await page.check('input[name=make_key]')
  await page.click('form[action="/account/sign-up"] button[type=submit]')
  await page.waitForSelector('svg.qr')
  assert.match(await page.textContent('pre'), /^z3v[1-9A-HJ-NP-Za-km-z]{40,}$/)
  await look('recovery-key')
  await page.click('a[href="/account/passkeys"]')
  await addPasskey(page, 'the only key')
  await signOutAndIn(page)
  await page.goto('/account/password')
  assert.equal(await page.$('input[name=current]'), null)
  await look('password-none')
  await page.goto('/account/passkeys')
  await page.click('form[action="/account/passkeys/remove"] button')
  await page.waitForSelector('[role=alert]')
  await look('passkey-last')
}

/** Puts a key into the browser's device; returns how to take it out. */
async function plugIn(page) {
  const device = await page.context().newCDPSession(page)
  await device.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2', transport: 'internal', hasResidentKey: true,
    hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
  }
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', { options })
  return () => device.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
}

async function addPasskey(page, name, look) {
  await page.click('form[action="/account/passkeys"] button')
  await look?.('passkey-add')
  await page.fill('input[name=name]', name)
  await page.click('form[action="/account/passkeys/add"] button')
  await page.waitForSelector(`text=${name}`)
}

async function signOutAndIn(page, look) {
  await page.goto('/account')
  await page.click('form[action="/account/sign-out"] button')
  await page.waitForURL('**/account/sign-in')
  await page.click('a[href="/account/sign-in/passkey"]')
  await look?.('sign-in-passkey')
  await page.click('form[action="/account/sign-in/passkey"] button')
  await page.waitForURL('**/account')
}
