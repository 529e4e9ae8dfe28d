// How a journey ended: in its time or not, and why.

/** What the promise comes to, or an error where that takes longer than `ms`. */
export function withinLimit(promise, ms) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${ms} ms`)), ms)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

/** An error with what caused it. */
export function describe(error) {
  const causes = []
  for (let at = error; at; at = at.cause) causes.push(at.stack ?? String(at))
  return causes.join('\ncaused by: ')
}
