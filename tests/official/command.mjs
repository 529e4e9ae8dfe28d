// `freehold migrate`, as somebody at the terminal runs it.

import { launch } from '../clients/children.mjs'

/** How long a run may take. */
const RUN_MS_MAX = 90_000

export class Command {
  #output = ''
  #wake = () => {}

  constructor({ binary, settings }, args, password) {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings, FREEHOLD_MIGRATE_PASSWORD: password }
    const { child, ended } = launch(binary, ['migrate', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.child = child
    child.stdin.on('error', () => {})
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text) => {
        this.#output += text
        this.#wake()
      })
    }
    this.over = false
    ended.then(() => {
      this.over = true
      this.#wake()
    })
  }

  get output() {
    return this.#output
  }

  /** Waits until it has said something of this form. */
  async says(pattern) {
    await this.#until(() => pattern.test(this.#output) || this.over)
    if (!pattern.test(this.#output)) throw new Error(`it ended without ${pattern}:\n${this.#output}`)
  }

  /** Answers a question. */
  answer(line) {
    this.child.stdin.write(`${line}\n`)
  }

  /** Ends it at once, as a power cut does. */
  async kill() {
    this.child.kill('SIGKILL')
    await this.#until(() => this.over)
  }

  /** Waits for its end, which must be that of a crash. */
  async dies() {
    await this.#until(() => this.over)
    if (this.child.signalCode !== 'SIGABRT') throw new Error(`it did not die:\n${this.#output}`)
  }

  /** Waits for its end, which must be a good one. */
  async succeeds() {
    await this.#until(() => this.over)
    if (this.child.exitCode !== 0) throw new Error(`it ended with ${this.child.exitCode}:\n${this.#output}`)
    return this.#output
  }

  async #until(reached) {
    const deadline = performance.now() + RUN_MS_MAX
    while (!reached()) {
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`it does not end:\n${this.#output}`)
      let timer
      const limit = new Promise((resolve) => (timer = setTimeout(resolve, left)))
      await Promise.race([limit, new Promise((resolve) => (this.#wake = resolve))])
      clearTimeout(timer)
    }
  }
}
