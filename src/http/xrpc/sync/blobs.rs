//! Blobs, by whoever wants to show or to keep them.
//!
//! The bytes are a stranger's, so a browser is told to save them and never to
//! run them on this origin.

use std::ops::Range;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::asker;
use crate::atproto::Cid;
use crate::atproto::syntax::{Did, Tid};
use crate::http::auth::Viewer;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::hosting;
use crate::store::blobs::{self, Blob, BlobPage};

/// The media type where the stored one cannot be a header.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// What a browser may do with a blob that somebody opens: nothing.
const NO_SCRIPTS: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// Parameters of [`get_blob`].
#[derive(Deserialize)]
pub struct OneBlob {
    did: Did,
    cid: String,
}

/// Parameters of [`list_blobs`].
#[derive(Deserialize)]
pub struct BlobsSince {
    did: Did,
    since: Option<Tid>,
    limit: u32,
    cursor: Option<String>,
}

/// Answer of [`list_blobs`].
#[derive(Serialize)]
pub struct Blobs {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    cids: Vec<Cid>,
}

/// `com.atproto.sync.getBlob`: a blob to which a record refers, or the part of
/// it that the header `Range` names.
pub async fn get_blob(
    State(app): State<App>,
    Params(params): Params<OneBlob>,
    viewer: Viewer,
    headers: HeaderMap,
) -> Result<Response, XrpcError> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    let cid: Cid = params.cid.parse().map_err(|_| not_found())?;
    let blob = blobs::find(&app.store.db, account.id, cid).await?;
    let public = |blob: &Blob| blob.temporary_at.is_none() && blob.taken_down_at.is_none();
    let blob = blob.filter(public).ok_or_else(not_found)?;
    let part = part_of(&headers, u64::try_from(blob.size_bytes).unwrap_or(0));
    let range = match &part {
        Part::Whole => None,
        Part::Range(range) => Some(range.clone()),
        Part::Unsatisfiable => return Ok(unsatisfiable(blob.size_bytes)),
    };
    let open = app.store.blobs.open(&account.did, cid, range).await?.ok_or_else(not_found)?;
    let mut response = Body::from_stream(open.bytes).into_response();
    describe(response.headers_mut(), &blob);
    size(&mut response, &part, open.size_bytes);
    Ok(response)
}

/// `com.atproto.sync.listBlobs`: the blobs to which records refer, whether their
/// bytes are here or not.
pub async fn list_blobs(
    State(app): State<App>,
    Params(params): Params<BlobsSince>,
    viewer: Viewer,
) -> Answer<Blobs> {
    let account = hosting::find_shown(&app.store.db, &params.did, &asker(viewer)).await?;
    let after = params.cursor.map(|cursor| cursor.parse()).transpose();
    let after = after.map_err(|_| XrpcError::invalid_request("Malformed cursor"))?;
    let page = BlobPage { after, limit: params.limit };
    let db = &app.store.db;
    let cids = blobs::list_referred(db, account.id, params.since.as_ref(), &page).await?;
    let full = cids.len() == params.limit as usize;
    let cursor = cids.last().filter(|_| full).map(Cid::to_string);
    Ok(Json(Blobs { cursor, cids }))
}

fn not_found() -> XrpcError {
    XrpcError::named("BlobNotFound", "Blob not found")
}

/// Which part of a blob is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range(Range<u64>),
    Unsatisfiable,
}

/// Reads `Range: bytes=…` with one range. Other units, several ranges and
/// nonsense are passed over, as HTTP allows.
fn part_of(headers: &HeaderMap, size_bytes: u64) -> Part {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| match text {
        "" => Some(None),
        text => text.parse::<u64>().ok().map(Some),
    };
    let range = match (number(first), number(last)) {
        (Some(Some(first)), Some(last)) => {
            let end = last.map_or(size_bytes, |last| last.saturating_add(1).min(size_bytes));
            if last.is_some_and(|last| last < first) {
                return Part::Whole;
            }
            first..end
        }
        (Some(None), Some(Some(suffix))) => size_bytes.saturating_sub(suffix)..size_bytes,
        _ => return Part::Whole,
    };
    match range.is_empty() {
        true => Part::Unsatisfiable,
        false => Part::Range(range),
    }
}

fn unsatisfiable(size_bytes: i64) -> Response {
    let range = format!("bytes */{size_bytes}");
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response()
}

fn describe(headers: &mut HeaderMap, blob: &Blob) {
    let media_type = HeaderValue::from_str(&blob.mime_type).unwrap_or(UNKNOWN_TYPE);
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, NO_SCRIPTS);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", blob.cid));
    if let Ok(name) = name {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
}

fn size(response: &mut Response, part: &Part, size_bytes: u64) {
    let length = match part {
        Part::Range(range) => {
            let last = range.end - 1;
            let value = format!("bytes {}-{last}/{size_bytes}", range.start);
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range.end - range.start
        }
        _ => size_bytes,
    };
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let check = |range: &str, expected: Part| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_str(range).expect("a header"));
            assert_eq!(part_of(&headers, 100), expected, "{range}");
        };
        check("bytes=0-0", Part::Range(0..1));
        check("bytes=10-19", Part::Range(10..20));
        check("bytes=10-", Part::Range(10..100));
        check("bytes=90-1000", Part::Range(90..100));
        check("bytes=-10", Part::Range(90..100));
        check("bytes=-1000", Part::Range(0..100));
        check("bytes=100-", Part::Unsatisfiable);
        check("bytes=-0", Part::Unsatisfiable);
        check("bytes=5-4", Part::Whole);
        check("bytes=0-1,5-6", Part::Whole);
        check("bytes=a-b", Part::Whole);
        check("bytes=-", Part::Whole);
        check("lines=1-2", Part::Whole);
        assert_eq!(part_of(&HeaderMap::new(), 100), Part::Whole);
    }
}
