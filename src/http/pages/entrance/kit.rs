//! The recovery key that was made for somebody who signs up: a page to print.
//!
//! The key is made, shown and forgotten within one request. Only its public
//! half is kept, among the rotation keys of the account's DID.
//!
//! Spec: <https://web.plc.directory/spec/v0.1/did-plc>, rotation keys

use maud::html;

use crate::atproto::crypto::SigningKey;
use crate::http::pages::page::Page;
use crate::http::pages::qr::qr;
use crate::http::pages::words::Words;
use crate::store::accounts::Account;

/// The page; `onward` is where somebody was on their way to.
pub fn kit_page(
    words: &'static Words,
    (account, key): (&Account, &SigningKey),
    onward: &str,
) -> Page {
    let title = words.say("kit-title");
    let secret = key.to_multibase();
    let public = key.public().did_key();
    let body = html! {
        h1 { (title) }
        div.note { p { (words.say("kit-text")) } }
        dl.facts {
            dt { (words.say("handle")) } dd { (account.handle.as_str()) }
            dt { (words.say("kit-did")) } dd.mono { (account.did.as_str()) }
            dt { (words.say("kit-public")) } dd.mono { (public.as_str()) }
        }
        h2 { (words.say("kit-private")) }
        pre { (secret.as_str()) }
        (qr(&words.say("kit-qr"), &secret))
        h2 { (words.say("kit-use")) }
        p { (words.say("kit-use-text")) }
        div.buttons { a.button href=(onward) { (words.say("kit-kept")) } }
    };
    Page::card(words, title, body)
}
