// Shows how far something long is: asks the address that the page names, and
// fills the bar. When the stage is another one, the page is asked for anew.
// Without it, people ask for the page anew themselves.
const SECOND = 1000
const follow = document.querySelector('[data-follow]')
const bar = follow.querySelector('progress')
const told = follow.querySelector('[data-told]')
const parts = JSON.parse(follow.dataset.parts ?? '{}')

async function look() {
  const answer = await fetch(follow.dataset.follow)
  if (!answer.ok) return true
  const { stage, part, done, total } = await answer.json()
  if (stage !== follow.dataset.stage) {
    if (stage) location.reload()
    return true
  }
  if (total) {
    bar.max = total
    bar.value = done
    told.textContent = `${parts[part] ?? ''} ${done} / ${total}`
  } else {
    bar.removeAttribute('value')
  }
  return false
}

async function watch() {
  for (;;) {
    if (await look().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, SECOND))
  }
}
watch()
