// The official did:plc client against the embedded directory.
//
// Registers identities with keys of both curves, changes each field, ends one
// and brings it back, and checks every log with the official library.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

import { P256Keypair, Secp256k1Keypair } from '@atproto/crypto'

// The library is CommonJS and brings the encoding it was made with.
const require = createRequire(import.meta.url)
const plc = require('@did-plc/lib')
const within = createRequire(require.resolve('@did-plc/lib'))
const { cidForCbor } = within('@atproto/common')

export const title = '@did-plc/lib registers, changes, ends and restores identities'

export async function run(town) {
  const client = new plc.Client(town.directory)
  const registered = []
  for (const Keypair of [Secp256k1Keypair, P256Keypair]) registered.push(await identity(client, Keypair))
  await refused(404, client.getDocument('did:plc:44ybard66vv44zksje25o7dz'))

  const exported = await everyone(town.directory)
  for (const did of registered) assert.ok(exported.has(did), `${did} is in the export`)
}

/** One identity through all that can happen to it. */
async function identity(client, Keypair) {
  const recovery = await Keypair.create()
  const rotation = await Secp256k1Keypair.create()
  const signing = await Keypair.create()
  const did = await client.createDid({
    signingKey: signing.did(),
    handle: 'alice.test',
    pds: 'https://pds.example.com',
    rotationKeys: [recovery.did(), rotation.did()],
    signer: rotation,
  })

  await change(client, did, { recovery, rotation, signing })
  await endAndRestore(client, did, { recovery, rotation, Keypair })
  return did
}

async function change(client, did, { recovery, rotation, signing }) {
  await client.updateHandle(did, rotation, 'new.test')
  await client.updatePds(did, rotation, 'https://other.example.com')
  await client.updateAtprotoKey(did, recovery, rotation.did())
  await client.updateRotationKeys(did, recovery, [recovery.did(), rotation.did(), signing.did()])

  const data = await client.getDocumentData(did)
  assert.deepEqual(data.alsoKnownAs, ['at://new.test'])
  assert.equal(data.services.atproto_pds.endpoint, 'https://other.example.com')
  assert.equal(data.verificationMethods.atproto, rotation.did())
  assert.equal(data.rotationKeys.length, 3)
  const document = await client.getDocument(did)
  assert.equal(document.id, did)
  assert.equal(document.verificationMethod[0].id, `${did}#atproto`)
  const log = await client.getOperationLog(did)
  assert.deepEqual(await plc.validateOperationLog(did, log), data)
  assert.deepEqual(await client.getLastOp(did), log.at(-1))
}

async function endAndRestore(client, did, { recovery, rotation, Keypair }) {
  const data = await client.getDocumentData(did)
  const log = await client.getOperationLog(did)
  const { sig, ...state } = log.at(-1)
  const prev = await cidOf(log.at(-1))
  await refused(400, client.sendOperation(did, log[0]))
  const stranger = await Keypair.create()
  await refused(400, client.sendOperation(did, await plc.signOperation({ ...state, prev }, stranger)))

  await client.tombstone(did, rotation)
  await refused(410, client.getDocument(did))
  await refused(410, client.getDocumentData(did))
  await client.sendOperation(did, await plc.signOperation({ ...state, prev }, recovery))
  assert.deepEqual(await client.getDocumentData(did), data)
  const audit = await client.getAuditableLog(did)
  const kinds = audit.map(({ operation, nullified }) => `${operation.type} ${nullified}`)
  assert.deepEqual(kinds.slice(-2), ['plc_tombstone true', 'plc_operation false'])
  for (const { operation, cid } of audit) assert.equal(await cidOf(operation), cid)
}

/** Every DID of the whole export, read page by page. */
async function everyone(url) {
  const exported = new Set()
  for (let after, page; ; after = page.at(-1).createdAt) {
    const response = await fetch(`${url}/export?count=5${after ? `&after=${after}` : ''}`)
    const lines = (await response.text()).split('\n').filter((line) => line !== '')
    page = lines.map((line) => JSON.parse(line))
    if (page.length === 0) return exported
    for (const { did } of page) exported.add(did)
  }
}

async function refused(status, doing) {
  const error = await doing.then(
    () => assert.fail(`was not refused with ${status}`),
    (error) => error,
  )
  assert.equal(error.status, status, error.message)
  assert.equal(typeof error.data.message, 'string')
}

async function cidOf(operation) {
  return (await cidForCbor(operation)).toString()
}
