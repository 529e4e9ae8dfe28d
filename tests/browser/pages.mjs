// Somebody's browser: Chromium, with axe looking at every page.

import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'

import { chromium } from 'playwright-core'

import { APP_HOST } from './town.mjs'

const require = createRequire(import.meta.url)
const AXE = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8')
/** Where pictures of all pages are kept. */
export const PICTURES = new URL('../../target/pages/', import.meta.url).pathname
const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

export const SCREENS = {
  desktop: { width: 1280, height: 900 },
  phone: { width: 375, height: 740 },
}

/** Size, language and light: each page that matters is looked at in all of them. */
export const WAYS = [
  { screen: 'desktop', language: 'en' },
  { screen: 'phone', language: 'en', dark: true },
  { screen: 'desktop', language: 'de', dark: true },
  { screen: 'phone', language: 'de' },
]
/** The other languages, on the screen on which long words have the least room. */
export const OTHER_LANGUAGES = ['fr', 'es', 'pt', 'ja'].map((language) => ({ screen: 'phone', language }))

export async function startChromium() {
  const executablePath = PLACES.find((place) => place && existsSync(place))
  if (!executablePath) throw new Error('no Chromium (apt-get install chromium)')
  await mkdir(PICTURES, { recursive: true })
  return chromium.launch({ executablePath, args: ['--no-sandbox', `--host-resolver-rules=MAP ${APP_HOST} 127.0.0.1`] })
}

/** A browser with nothing in it, of a size and a language. */
export async function openBrowser(chromium, service, { screen = 'desktop', language = 'en', dark = false } = {}) {
  const context = await chromium.newContext({
    baseURL: service,
    viewport: SCREENS[screen],
    locale: language,
    colorScheme: dark ? 'dark' : 'light',
    ignoreHTTPSErrors: true,
    acceptDownloads: true,
  })
  const page = await context.newPage()
  const name = `${language}-${screen}${dark ? '-dark' : ''}`
  return { context, page, name, look: (title) => look(page, name, title), close: () => context.close() }
}

/** Looks at a page with axe, and takes its picture. */
async function look(page, name, title) {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }),
  )
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  await page.screenshot({ path: join(PICTURES, `${title}-${name}.png`), fullPage: true })
  const told = violations.map(
    ({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => node.html).join('\n    ')}`,
  )
  if (told.length > 0) throw new Error(`${title} (${name}), ${page.url()}:\n  ${told.join('\n  ')}`)
  if (wide > 0) throw new Error(`${title} (${name}) is ${wide} pixels too wide`)
}

/** What an authenticator app shows, after `steps` half minutes. */
export function totp(secret, steps = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret.replaceAll(' ', '')].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps))
  const tag = createHmac('sha1', key).update(counter).digest()
  const at = tag[19] & 0xf
  return String((tag.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

/** Fills the sign-in form that is shown, and sends it. */
export async function signIn(page, person) {
  await page.fill('input[name=identifier]', person.handle)
  await page.fill('input[name=password]', person.password)
  await page.click('form[action="/account/sign-in"] button[type=submit]')
}
