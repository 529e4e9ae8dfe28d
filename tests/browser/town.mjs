// A server with everything around it that a browser and its apps need: a name
// server and a web server of an app developer, with certificates of their own.

import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { freePort, startServer } from '../clients/server.mjs'

const run = promisify(execFile)

/** The app developer's host. */
export const APP_HOST = 'app.freehold-apps.com'

/** Starts a server on an engine, with the host of an app beside it. */
export async function startTown(engine, folder) {
  const names = await startNames()
  const site = await startSite(folder)
  const server = await startServer(engine, {
    FREEHOLD_IDENTITY_NAMESERVERS: `127.0.0.1:${names.port}`,
    FREEHOLD_OUTBOUND_EXTRA_AUTHORITIES_FILE: site.certificate,
    FREEHOLD_BRANDING_NAME: 'The Commons',
  })
  const stop = async () => {
    await server.stop()
    await site.stop()
    await names.stop()
  }
  const { service, directory } = server.town
  return { ...server, service, directory, neighbour: server.neighbour, site, stop }
}

/** A name server that knows one address, and it for every name. */
async function startNames() {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => socket.send(answerTo(query), from.port, from.address))
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { port: socket.address().port, stop: () => new Promise((resolve) => socket.close(resolve)) }
}

function answerTo(query) {
  let end = 12
  while (query[end] !== 0) end += query[end] + 1
  const question = query.subarray(12, end + 5)
  const isAddress = query.readUInt16BE(end + 1) === 1
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8580, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(isAddress ? 1 : 0, 6)
  header.writeUInt32BE(0, 8)
  const record = Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
  return Buffer.concat(isAddress ? [header, question, record] : [header, question])
}

/** The web server of an app developer: documents by their paths. */
async function startSite(folder) {
  const [key, certificate] = [join(folder, 'site.key'), join(folder, 'site.pem')]
  const settings = join(folder, 'site.cnf')
  await writeFile(settings, [
    '[req]', 'distinguished_name=name', 'x509_extensions=site', 'prompt=no',
    '[name]', `CN=${APP_HOST}`,
    '[site]', 'basicConstraints=critical,CA:FALSE', `subjectAltName=DNS:${APP_HOST}`,
  ].join('\n'))
  await run('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-keyout', key, '-out', certificate, '-config', settings,
  ])
  const documents = new Map()
  const options = { key: await readFile(key), cert: await readFile(certificate) }
  const server = createServer(options, (request, response) => {
    const document = documents.get(request.url)
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document ?? {}))
  })
  const port = await freePort()
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    certificate,
    origin: `https://${APP_HOST}:${port}`,
    publish: (path, document) => documents.set(path, document),
    stop: () => new Promise((resolve) => server.close(resolve)),
  }
}
