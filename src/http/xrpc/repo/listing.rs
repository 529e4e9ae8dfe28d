//! Reading records. Their JSON is written straight from the stored bytes.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::atproto::Cid;
use crate::atproto::data::cbor_to_json;
use crate::atproto::syntax::{AtIdentifier, Did, Handle, Nsid, RecordKey, RecordPath};
use crate::http::params::Params;
use crate::http::row::Row;
use crate::http::{Answer, App, XrpcError, proxy};
use crate::service::hosting::NotShown;
use crate::service::identity::Freshness;
use crate::service::repos::{Listing, Owner, Unseen};
use crate::store::StoreError;
use crate::store::records::{Order, Record};

/// Parameters of [`get_record`].
#[derive(Deserialize)]
pub struct One {
    repo: AtIdentifier,
    collection: Nsid,
    rkey: RecordKey,
    cid: Option<String>,
}

/// Parameters of [`list_records`].
#[derive(Deserialize)]
pub struct Page {
    repo: AtIdentifier,
    collection: Nsid,
    limit: u32,
    cursor: Option<String>,
    #[serde(default)]
    reverse: bool,
}

/// Parameters of [`describe_repo`].
#[derive(Deserialize)]
pub struct OneRepo {
    repo: AtIdentifier,
}

/// Answer of [`describe_repo`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    handle: Handle,
    did: Did,
    did_doc: serde_json::Value,
    collections: Vec<Nsid>,
    handle_is_correct: bool,
}

/// JSON that is text already.
pub struct JsonText(String);

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// `com.atproto.repo.getRecord`: one record, if it is there in the version
/// that is asked for. What is not of this server the AppView may know.
pub async fn get_record(
    State(app): State<App>,
    Params(one): Params<One>,
    parts: Parts,
) -> Result<Response, XrpcError> {
    let path = RecordPath::new(one.collection, one.rkey);
    let account = match app.repos.shown(&one.repo).await {
        Ok(account) => account,
        Err(Unseen::NoHandle(_) | Unseen::NotShown(NotShown::Unknown(_))) => {
            let nsid = Row::of(&parts)?.nsid.clone();
            let elsewhere = proxy::ask_appview(&app, nsid, parts).await?;
            return elsewhere.ok_or_else(|| not_found(one.repo.as_ref(), &path));
        }
        Err(error) => return Err(error.into()),
    };
    let owner = Owner::from(&account);
    // A CID of another form than ours is that of no record here.
    let version = one.cid.map(|cid| cid.parse::<Cid>()).transpose();
    let record = match version {
        Ok(version) => app.repos.get_record(&owner, &path, version).await?,
        Err(_) => None,
    };
    let record = record.ok_or_else(|| not_found(owner.did.as_str(), &path))?;
    let mut text = String::with_capacity(record.value.len() * 2 + 256);
    write_record(&mut text, &owner, &record)?;
    Ok(JsonText(text).into_response())
}

fn not_found(repo: &str, path: &RecordPath) -> XrpcError {
    XrpcError::named("RecordNotFound", format!("Could not locate record: at://{repo}/{path}"))
}

/// `com.atproto.repo.listRecords`: a page of a collection, newest first; the
/// cursor is the last key.
pub async fn list_records(
    State(app): State<App>,
    Params(page): Params<Page>,
) -> Result<JsonText, XrpcError> {
    let owner = Owner::from(&app.repos.shown(&page.repo).await?);
    let after = page.cursor.map(RecordKey::new).transpose();
    let after = after.map_err(|_| XrpcError::invalid_request("Malformed cursor"))?;
    let listing = Listing {
        collection: page.collection,
        order: if page.reverse { Order::Ascending } else { Order::Descending },
        after,
        limit: page.limit,
    };
    let records = app.repos.list_records(&owner, listing).await?;
    let bytes: usize = records.iter().map(|record| record.value.len() * 2 + 256).sum();
    let mut text = String::with_capacity(bytes + 64);
    text.push_str("{\"records\":[");
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_record(&mut text, &owner, record)?;
    }
    text.push(']');
    if let Some(last) = records.last() {
        // A record key needs no escape.
        text.push_str(",\"cursor\":\"");
        text.push_str(last.path.rkey.as_str());
        text.push('"');
    }
    text.push('}');
    Ok(JsonText(text))
}

/// `com.atproto.repo.describeRepo`: whose repository it is and what it holds.
pub async fn describe_repo(
    State(app): State<App>,
    Params(one): Params<OneRepo>,
) -> Answer<Description> {
    let account = app.repos.shown(&one.repo).await?;
    let document = app.identity.document(&account.did, Freshness::Cached).await;
    let document = document
        .map_err(|error| XrpcError::invalid_request(format!("Could not resolve DID: {error}")))?;
    let described = app.repos.describe(&Owner::from(&account)).await?;
    Ok(Json(Description {
        handle_is_correct: document.handle() == Some(&account.handle),
        did_doc: document.to_json().clone(),
        handle: account.handle,
        did: account.did,
        collections: described.collections,
    }))
}

/// Writes `{uri, cid, value}`. Neither a URI of ours nor a CID needs an escape.
fn write_record(text: &mut String, owner: &Owner, record: &Record) -> Result<(), XrpcError> {
    text.push_str("{\"uri\":\"");
    text.push_str(&record.path.uri(&owner.did));
    text.push_str("\",\"cid\":\"");
    text.push_str(&record.cid.to_string());
    text.push_str("\",\"value\":");
    cbor_to_json(&record.value, text).map_err(|error| StoreError::Corrupt {
        table: "records".to_owned(),
        key: record.path.uri(&owner.did),
        what: error.to_string(),
    })?;
    text.push('}');
    Ok(())
}
