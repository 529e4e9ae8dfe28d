// Sends the one form of the page that says that it wants to be sent.
document.querySelector('form[data-submit]').submit()
