// Passkeys need a script: it asks the browser what the page says, and sends the
// browser's answer in the page's form. The page works without it for everything
// else.
const form = document.querySelector('form[data-passkey]')
const button = form.querySelector('button')
const told = document.querySelector('[data-passkey-fault]')

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')

const named = (credential) => ({ ...credential, id: bytes(credential.id) })

async function ask() {
  const { publicKey } = JSON.parse(form.dataset.passkey)
  publicKey.challenge = bytes(publicKey.challenge)
  if (publicKey.user) {
    publicKey.user.id = bytes(publicKey.user.id)
    publicKey.excludeCredentials = (publicKey.excludeCredentials ?? []).map(named)
    return navigator.credentials.create({ publicKey })
  }
  publicKey.allowCredentials = (publicKey.allowCredentials ?? []).map(named)
  return navigator.credentials.get({ publicKey })
}

function answer(credential) {
  const { response } = credential
  const said = { clientDataJSON: text(response.clientDataJSON) }
  if (response.attestationObject) {
    said.attestationObject = text(response.attestationObject)
    said.transports = response.getTransports?.() ?? []
  } else {
    said.authenticatorData = text(response.authenticatorData)
    said.signature = text(response.signature)
    said.userHandle = response.userHandle ? text(response.userHandle) : null
  }
  const { id, type } = credential
  return JSON.stringify({ id, type, rawId: text(credential.rawId), response: said, extensions: {} })
}

button.addEventListener('click', async (event) => {
  event.preventDefault()
  button.disabled = true
  try {
    form.querySelector('input[name=answer]').value = answer(await ask())
    form.submit()
  } catch {
    told.hidden = false
    button.disabled = false
  }
})
