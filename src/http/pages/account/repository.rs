//! One's own collections and records, to look at and to delete.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::resident::{Resident, Shown, Submission};
use crate::atproto::data::cbor_to_json;
use crate::atproto::syntax::{Nsid, RecordKey, RecordPath};
use crate::http::App;
use crate::http::pages::failure::Failure;
use crate::http::pages::words::Words;
use crate::http::{XrpcError, table::DELETE_POINTS};
use crate::service::rates::Bucket;
use crate::service::repos::{Deletion, Listing, Owner};
use crate::store::records::{Order, Record};

/// Records on one page.
const PAGE: u32 = 50;
/// Characters of a record that stand in a list.
const LINE_CHARS_MAX: usize = 120;

/// `/account/repository`
pub async fn collections(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let described = match app.repos.describe(&owner(&resident)).await {
        Ok(described) => described,
        Err(error) => return failed(&app, &resident, error),
    };
    let body = html! {
        section.panel {
            p { (words.say("repository-text")) }
            @if described.collections.is_empty() { p.quiet { (words.say("repository-empty")) } }
            ul.plain.rows {
                @for collection in &described.collections {
                    li { div.what { a.mono href=(resident.link(&collection_path(collection))) { (collection.as_str()) } } }
                }
            }
        }
    };
    let title = words.say("repository");
    resident.show(&app, Shown { place: "repository", title, wrong: None, done: None, body }).await
}

/// A page of a collection, the newest first.
pub async fn records(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let nsid = resident.visitor.asked("collection").map(|text| Nsid::new(text.to_owned()));
    let Some(Ok(collection)) = nsid else { return resident.fail(&app, Failure::NotFound) };
    let after = resident.visitor.asked("after").and_then(|key| RecordKey::new(key.to_owned()).ok());
    let listing =
        Listing { collection: collection.clone(), order: Order::Descending, after, limit: PAGE };
    let records = match app.repos.list_records(&owner(&resident), listing).await {
        Ok(records) => records,
        Err(error) => return failed(&app, &resident, error),
    };
    let more = records.last().filter(|_| records.len() as u64 == u64::from(PAGE));
    let body = html! {
        p { a href=(resident.link("/account/repository")) { (words.say("repository-back")) } }
        section.panel {
            @if records.is_empty() { p.quiet { (words.say("repository-empty")) } }
            ul.plain.rows {
                @for record in &records {
                    li { div.what {
                        a.mono href=(resident.link(&record_path(&record.path))) { (record.path.rkey.as_str()) }
                        br; small.quiet { (line(record)) }
                    } }
                }
            }
            @if let Some(last) = more {
                p { a href=(resident.link(&format!("{}&after={}", collection_path(&collection), encoded(last.path.rkey.as_str())))) { (words.say("repository-more")) } }
            }
        }
    };
    let title = collection.as_str().to_owned();
    resident.show(&app, Shown { place: "repository", title, wrong: None, done: None, body }).await
}

/// One record.
pub async fn record(State(app): State<App>, resident: Resident) -> Response {
    let words = resident.words();
    let path = path_of(|name| resident.visitor.asked(name));
    let Some(path) = path else { return resident.fail(&app, Failure::NotFound) };
    let record = match app.repos.get_record(&owner(&resident), &path, None).await {
        Ok(Some(record)) => record,
        Ok(None) => return resident.fail(&app, Failure::NotFound),
        Err(error) => return failed(&app, &resident, error),
    };
    let value = json(&record);
    let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
    let uri = path.uri(&resident.account.did);
    let body = html! {
        p { a href=(resident.link(&collection_path(&path.collection))) { (path.collection.as_str()) } }
        section.panel { (readable(words, &value)) }
        section.panel {
            dl.facts {
                dt { (words.say("record-address")) } dd.mono { (uri) }
                dt { "CID" } dd.mono { (record.cid.to_string()) }
            }
            details { summary { (words.say("record-json")) } pre { (pretty) } }
        }
        section.panel {
            h2 { (words.say("record-delete")) }
            p { (words.say("record-delete-text")) }
            form method="post" action="/account/repository/delete" {
                (resident.fields(&app))
                input type="hidden" name="collection" value=(path.collection.as_str());
                input type="hidden" name="rkey" value=(path.rkey.as_str());
                div.buttons { button.danger type="submit" { (words.say("record-delete")) } }
            }
        }
    };
    let title = path.rkey.as_str().to_owned();
    resident.show(&app, Shown { place: "repository", title, wrong: None, done: None, body }).await
}

/// Deletes a record.
pub async fn delete(State(app): State<App>, sent: Submission) -> Response {
    let resident = &sent.resident;
    let Some(path) = path_of(|name| sent.field(name)) else {
        return resident.fail(&app, Failure::NotFound);
    };
    let meter = &resident.visitor.meter;
    let did = resident.account.did.as_str();
    if meter.spend(Bucket::RecordWrites, did, DELETE_POINTS).is_err() {
        return resident.fail(&app, Failure::TooMany);
    }
    let back = collection_path(&path.collection);
    let deletion = Deletion { path, swap_record: None, swap_commit: None };
    match app.repos.delete_record(&owner(resident), deletion).await {
        Ok(_) => resident.go(&app, &back).await,
        Err(error) => failed(&app, resident, error),
    }
}

fn owner(resident: &Resident) -> Owner {
    Owner { account: resident.account.id, did: resident.account.did.clone() }
}

fn failed(app: &App, resident: &Resident, error: impl Into<XrpcError>) -> Response {
    resident.fail(app, error.into())
}

fn path_of<'f>(field: impl Fn(&str) -> Option<&'f str>) -> Option<RecordPath> {
    let collection = Nsid::new(field("collection")?.to_owned()).ok()?;
    let rkey = RecordKey::new(field("rkey")?.to_owned()).ok()?;
    Some(RecordPath::new(collection, rkey))
}

fn collection_path(collection: &Nsid) -> String {
    format!("/account/repository/collection?collection={}", encoded(collection.as_str()))
}

fn record_path(path: &RecordPath) -> String {
    let (collection, rkey) = (encoded(path.collection.as_str()), encoded(path.rkey.as_str()));
    format!("/account/repository/record?collection={collection}&rkey={rkey}")
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn json(record: &Record) -> Value {
    let mut text = String::new();
    match cbor_to_json(&record.value, &mut text) {
        Ok(()) => serde_json::from_str(&text).unwrap_or(Value::Null),
        Err(_) => Value::Null,
    }
}

/// What a record says, in one line.
fn line(record: &Record) -> String {
    let value = json(record);
    let said = ["text", "displayName", "name", "title", "description"];
    let said = said.iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned));
    let said = said.or_else(|| subject(&value)).unwrap_or_default();
    said.chars().take(LINE_CHARS_MAX).collect()
}

/// What a record is about: an account, or another record.
fn subject(value: &Value) -> Option<String> {
    let subject = value.get("subject")?;
    let text = subject.as_str().or_else(|| subject.get("uri")?.as_str());
    text.map(str::to_owned)
}

/// The fields of a record, one below the other.
fn readable(words: &Words, value: &Value) -> Markup {
    let Some(fields) = value.as_object() else { return html! { p { (words.say("record-json")) } } };
    html! {
        dl.facts {
            @for (name, field) in fields.iter().filter(|(name, _)| *name != "$type") {
                dt { (name) }
                dd {
                    @match field {
                        Value::String(text) => (text),
                        Value::Number(number) => (number.to_string()),
                        Value::Bool(yes) => (yes.to_string()),
                        Value::Null => "–",
                        Value::Array(_) | Value::Object(_) => code { (field.to_string()) },
                    }
                }
            }
        }
    }
}
