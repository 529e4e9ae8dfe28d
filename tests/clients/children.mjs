// Processes that end with this one, whatever ends it.

import { spawn } from 'node:child_process'

const running = new Set()

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** Starts a program. `ended` is when it is gone, however it went. */
export function launch(program, args, options) {
  const child = spawn(program, args.map(String), options)
  running.add(child)
  const ended = new Promise((resolve) => {
    for (const event of ['close', 'error']) child.once(event, resolve)
  })
  ended.then(() => running.delete(child))
  return { child, ended }
}
