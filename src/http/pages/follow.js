// Shows how far something long is: asks the address that the page names, and
// fills the bar. When the stage is another one, the page is asked for anew,
// unless the bar belongs to something that began with a click. Without it,
// people ask for the page anew themselves.
const SECOND = 1000
const follow = document.querySelector('[data-follow]')
const bar = follow.querySelector('progress')
const told = follow.querySelector('[data-told]')
const { beginsWith, stage: known } = follow.dataset

/** Looks once, and says whether it is over. */
async function look() {
  const answer = await fetch(follow.dataset.follow)
  if (!answer.ok) return true
  const { stage, said, done, total } = await answer.json()
  if (total) {
    bar.max = total
    bar.value = done
    told.textContent = said
  } else {
    bar.removeAttribute('value')
  }
  if (stage !== known && !beginsWith) location.reload()
  return stage !== known
}

async function watch() {
  follow.hidden = false
  for (;;) {
    if (await look().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, SECOND))
  }
}

if (beginsWith) document.querySelector(beginsWith).addEventListener('click', watch)
else watch()
