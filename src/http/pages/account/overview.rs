//! What somebody has here, at a glance.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::resident::{Resident, Shown};
use super::{bytes, moment};
use crate::http::App;
use crate::http::pages::words::Words;
use crate::store::accounts::{Account, Status};
use crate::store::{blobs, records};

/// `/account`
pub async fn show(State(app): State<App>, resident: Resident) -> Response {
    let (words, account) = (resident.words(), &resident.account);
    let usage = match usage(&app, account).await {
        Ok(usage) => usage,
        Err(error) => return resident.fail(&app, error),
    };
    let body = html! {
        section.panel {
            div.who { div {
                div.name { "@" (account.handle.as_str()) " " (status(words, account)) }
                small.quiet.mono { (account.did.as_str()) }
            } }
            dl.facts {
                dt { (words.say("email")) } dd { (account.email) }
                dt { (words.say("member-since")) } dd { (moment(account.created_at)) }
            }
            @if account.email_confirmed_at.is_none() {
                div.note { p { (words.say("email-unconfirmed")) " " a href=(resident.link("/account/email")) { (words.say("email-confirm")) } } }
            }
        }
        section.panel { h2 { (words.say("usage")) } (chart(words, &usage)) }
        section.panel {
            h2 { (words.say("on-this-device")) }
            ul.plain.rows {
                @for one in &resident.others {
                    li {
                        div.what { "@" (one.account.handle.as_str()) }
                        form method="post" action="/account/sign-out" {
                            (resident.visitor.form_token(&app))
                            input type="hidden" name="account" value=(one.account.did.as_str());
                            button.second type="submit" aria-label=(words.say_with("sign-out-of", &[("name", one.account.handle.as_str())])) { (words.say("sign-out")) }
                        }
                    }
                }
            }
            p { a href="/account/sign-in" { (words.say("another-account")) } }
        }
    };
    let title = words.say("account");
    resident.show(&app, Shown { place: "", title, wrong: None, done: None, body }).await
}

/// How the account stands.
fn status(words: &Words, account: &Account) -> Markup {
    let (class, text) = match account.status() {
        Status::Active => ("tag good", words.say("status-active")),
        Status::Deactivated => ("tag", words.say("status-deactivated")),
        Status::Suspended => ("tag bad", words.say("status-suspended")),
        Status::TakenDown => ("tag bad", words.say("status-taken-down")),
    };
    html! { span class=(class) { (text) } }
}

/// How much somebody has here.
struct Usage {
    records: u64,
    blobs: u64,
    blob_bytes: u64,
}

async fn usage(app: &App, account: &Account) -> Result<Usage, crate::store::StoreError> {
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let db = &app.store.db;
    Ok(Usage {
        records: number(records::count(db, account.id).await?),
        blobs: number(blobs::count(db, account.id).await?.uploaded),
        blob_bytes: number(blobs::total_bytes(db, account.id).await?),
    })
}

/// Units of the chart's width.
const WIDTH: u64 = 300;

/// Three bars, each with its number beside it.
fn chart(words: &Words, usage: &Usage) -> Markup {
    let most = usage.records.max(usage.blobs).max(1);
    let bar = |count: u64| (count * WIDTH / most).max(u64::from(count > 0) * 2);
    let rows = [
        (words.say("usage-records"), usage.records, usage.records.to_string()),
        (
            words.say("usage-blobs"),
            usage.blobs,
            format!("{} ({})", usage.blobs, bytes(usage.blob_bytes)),
        ),
    ];
    html! {
        table {
            tbody {
                @for (name, count, told) in rows {
                    tr {
                        th scope="row" { (name) }
                        td { svg.chart preserveAspectRatio="none" viewBox=(format!("0 0 {WIDTH} 14")) aria-hidden="true" {
                            rect.bar x="0" y="2" width=(bar(count)) height="10" rx="3" {}
                        } }
                        td { (told) }
                    }
                }
            }
        }
    }
}
