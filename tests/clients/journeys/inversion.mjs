// What a relay does: undo every commit's operations with nothing but the blocks
// that came with it, and arrive at the tree of the commit before.

import assert from 'node:assert/strict'

import { MST, MemoryBlockstore, readCarWithRoot, verifyCommitSig } from '@atproto/repo'
import { Subscription } from '@atproto/xrpc-server'

import { Writer } from './workload.mjs'

export const title = 'every commit of the stream can be undone from its own blocks'

/** Bytes of one event's blocks. */
const BLOCKS_BYTES_MAX = 2_000_000

export async function run(town) {
  const writer = new Writer(await town.newcomer())
  await writer.day()
  await writer.day()
  const { data: last } = await writer.repo.getRecord(lastPost(writer))

  const heads = new Map()
  let seq = -1
  for await (const event of messages(town)) {
    assert.ok(event.seq > seq, 'seq grows')
    seq = event.seq
    if (event.$type.endsWith('#sync')) await sync(town, heads, event)
    if (!event.$type.endsWith('#commit')) continue
    await commit(town, heads, event)
    if (event.ops.some((op) => op.cid?.toString() === last.cid)) break
  }
}

function lastPost(writer) {
  return { repo: writer.did, collection: 'app.bsky.feed.post', rkey: writer.rkeys.at(-1) }
}

async function* messages(town) {
  const stop = new AbortController()
  const stream = new Subscription({
    service: town.stream,
    method: 'com.atproto.sync.subscribeRepos',
    getParams: () => ({ cursor: 0 }),
    signal: stop.signal,
    validate: (message) => message,
  })
  try {
    for await (const message of stream) if (message.seq !== undefined) yield message
  } catch (error) {
    if (!stop.signal.aborted) throw error
  } finally {
    stop.abort()
  }
}

async function sync(town, heads, event) {
  const { root, blocks } = await readCarWithRoot(event.blocks)
  const head = await signedBy(town, event.did, root, blocks)
  assert.equal(event.rev, head.rev)
  heads.set(event.did, head)
}

async function commit(town, heads, event) {
  assert.ok(event.blocks.byteLength <= BLOCKS_BYTES_MAX, `${event.blocks.byteLength} bytes of blocks`)
  const { root, blocks } = await readCarWithRoot(event.blocks)
  assert.equal(root.toString(), event.commit.toString())
  const head = await signedBy(town, event.repo, root, blocks)
  assert.equal(event.rev, head.rev)

  const before = heads.get(event.repo)
  heads.set(event.repo, head)
  if (before) {
    assert.equal(event.since, before.rev)
    assert.equal(event.prevData.toString(), before.data)
    assert.ok(head.rev > before.rev, 'rev grows')
  }
  if (event.prevData) await undo(event, head, blocks)
}

async function signedBy(town, did, root, blocks) {
  const { CID_COMMIT, ...commit } = await readCommit(root, blocks)
  assert.equal(commit.did, did)
  assert.ok(await verifyCommitSig(commit, await town.identities.did.resolveAtprotoKey(did)), 'signed')
  return { rev: commit.rev, data: commit.data.toString(), tree: commit.data }
}

async function readCommit(root, blocks) {
  const { obj } = await new MemoryBlockstore(blocks).attemptRead(root, COMMIT)
  return obj
}

/** Any object: what it is was checked when its signature was. */
const COMMIT = { name: 'commit', schema: { safeParse: (data) => ({ success: true, data }) } }

async function undo(event, head, blocks) {
  let tree = MST.load(new MemoryBlockstore(blocks), head.tree)
  for (const op of event.ops) {
    if (op.action === 'create') {
      assert.equal(op.prev ?? null, null)
      tree = await tree.delete(op.path)
    } else if (op.action === 'update') {
      tree = await tree.update(op.path, op.prev)
    } else {
      tree = await tree.add(op.path, op.prev)
    }
  }
  assert.equal((await tree.getPointer()).toString(), event.prevData.toString())
}
