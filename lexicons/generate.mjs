// Writes the schema documents of this folder from the npm package @atproto/api,
// pinned in tests/clients/package-lock.json (run `npm ci` there first).
//
//   node lexicons/generate.mjs           writes the files
//   node lexicons/generate.mjs --check   fails, and names the files, if they differ
//
// One file per group: an object from NSID to document. What is kept are facts
// (ids, types, constraints, error names); prose is left out, since no check
// reads it. The files are embedded in the binary through bundle.rs.

import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const FOLDER = new URL('.', import.meta.url)
const CLIENTS = new URL('../tests/clients/package.json', import.meta.url)
const NAMESPACES = ['com.atproto.', 'app.bsky.', 'chat.bsky.']
const LINE_WIDTH_MAX = 100

const schemas = await loadSchemas()
const files = filesOf(schemas.filter((doc) => NAMESPACES.some((space) => doc.id.startsWith(space))))
process.exitCode = process.argv.includes('--check') ? await check(files) : await write(files)

async function loadSchemas() {
  const resolve = createRequire(CLIENTS).resolve
  try {
    return (await import(pathToFileURL(resolve('@atproto/api')))).schemas
  } catch (cause) {
    throw new Error('@atproto/api is not installed: run `npm ci` in tests/clients', { cause })
  }
}

/** From file name to text, for every file that this script owns. */
function filesOf(documents) {
  const groups = new Map()
  for (const doc of documents.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const group = doc.id.slice(0, doc.id.lastIndexOf('.'))
    if (!groups.has(group)) groups.set(group, {})
    groups.get(group)[doc.id] = facts(doc, doc.id)
  }
  const files = new Map()
  for (const [group, docs] of groups) files.set(`${group}.json`, `${format(docs, '', 0)}\n`)
  files.set('bundle.rs', bundle([...groups.keys()]))
  return files
}

/**
 * The same document without prose, and with references as documents write them
 * (the package prefixes each with `lex:` and its document). A property may be
 * *named* description: that one is an object.
 */
function facts(node, id) {
  if (typeof node === 'string') return node.startsWith('lex:') ? reference(node.slice(4), id) : node
  if (Array.isArray(node)) return node.map((item) => facts(item, id))
  if (node === null || typeof node !== 'object') return node
  const kept = Object.entries(node).filter(([key, value]) => key !== 'description' || typeof value !== 'string')
  return Object.fromEntries(kept.map(([key, value]) => [key, facts(value, id)]))
}

function reference(target, id) {
  return target.startsWith(`${id}#`) ? target.slice(id.length) : target
}

/** JSON in which whatever fits on one line stands on one line. `taken` is what precedes it there. */
function format(node, indent, taken) {
  const flat = flatten(node)
  const isScalar = node === null || typeof node !== 'object'
  if (isScalar || indent.length + taken + flat.length <= LINE_WIDTH_MAX) return flat
  const inner = `${indent}  `
  if (Array.isArray(node)) {
    return `[\n${node.map((item) => inner + format(item, inner, 1)).join(',\n')}\n${indent}]`
  }
  const lines = Object.entries(node).map(([key, value]) => {
    const name = `${JSON.stringify(key)}: `
    return inner + name + format(value, inner, name.length + 1)
  })
  return `{\n${lines.join(',\n')}\n${indent}}`
}

function flatten(node) {
  if (Array.isArray(node)) return `[${node.map(flatten).join(', ')}]`
  if (node === null || typeof node !== 'object') return JSON.stringify(node)
  const fields = Object.entries(node).map(([key, value]) => `${JSON.stringify(key)}: ${flatten(value)}`)
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
}

function bundle(groups) {
  const lines = groups.map((group) => `    ("${group}", include_str!("${group}.json")),`)
  return `// Written by generate.mjs: every group of this folder, in byte order.\n&[\n${lines.join('\n')}\n]\n`
}

async function write(files) {
  for (const stale of await strays(files)) await rm(new URL(stale, FOLDER))
  for (const [name, text] of files) await writeFile(new URL(name, FOLDER), text)
  console.log(`lexicons: ${files.size} files written`)
  return 0
}

async function check(files) {
  const different = await strays(files)
  for (const [name, text] of files) {
    const kept = await readFile(new URL(name, FOLDER), 'utf8').catch(() => null)
    if (kept !== text) different.push(name)
  }
  if (different.length === 0) return 0
  console.error(`lexicons differ from @atproto/api: ${different.sort().join(', ')}`)
  console.error('regenerate them: node lexicons/generate.mjs')
  return 1
}

/** Documents in the folder that the package no longer has. */
async function strays(files) {
  const names = await readdir(FOLDER)
  return names.filter((name) => name.endsWith('.json') && !files.has(name))
}
