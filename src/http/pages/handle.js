// Says whether the handle that is being typed can be had. Without it, people
// are told when they send the form.
const PAUSE = 300
const field = document.querySelector('input[data-check]')
const told = document.querySelector('[data-check-told]')
const domain = document.querySelector('select[name=domain]')
let last = 0

async function check() {
  const now = ++last
  await new Promise((resolve) => setTimeout(resolve, PAUSE))
  const name = field.value.trim()
  if (now !== last) return
  if (!name) {
    told.textContent = ''
    return
  }
  const query = new URLSearchParams({ name, ...(domain && { domain: domain.value }) })
  const answer = await fetch(`${field.dataset.check}?${query}`)
  if (now !== last || !answer.ok) return
  const { free, said } = await answer.json()
  told.textContent = said
  told.classList.toggle('good', free)
  field.setAttribute('aria-invalid', String(!free))
}

field.addEventListener('input', () => check().catch(() => {}))
domain?.addEventListener('change', () => check().catch(() => {}))
