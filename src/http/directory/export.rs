//! The export of all operations, in both of its forms.
//!
//! Asked with a number, it counts by places and says them; asked with a
//! moment or with nothing, it answers in the older form, which says what is
//! void. Lines are parted, not ended, by line feeds: clients split them.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};

use super::{Answer, Shared};
use crate::{
    atproto::{Moment, syntax::Datetime},
    http::error::DirectoryReply,
    service::directory::EXPORT_ENTRIES_MAX,
};

const JSON_LINES: HeaderValue = HeaderValue::from_static("application/jsonlines");

#[derive(Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    count: Option<String>,
}

enum After {
    Place(i64),
    Moment(Moment),
}

pub(super) async fn export(State(directory): Shared, Query(page): Query<Page>) -> Answer<Response> {
    let count = count(page.count.as_deref())?;
    let text = match after(page.after.as_deref())? {
        After::Place(place) => lines(&directory.export(place, count).await?),
        After::Moment(moment) => lines(&directory.export_since(moment, count).await?),
    };
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON_LINES);
    Ok(response)
}

fn count(text: Option<&str>) -> Result<u32, DirectoryReply> {
    let Some(text) = text else { return Ok(EXPORT_ENTRIES_MAX) };
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(DirectoryReply::invalid_parameter("count")),
    }
}

fn after(text: Option<&str>) -> Result<After, DirectoryReply> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(After::Moment(Moment::from_unix_ms(0)));
    };
    let place = || text.parse().ok().map(After::Place);
    let moment = || text.parse::<Datetime>().ok().map(|date| After::Moment(date.moment()));
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => place(),
        false => moment(),
    }
    .ok_or_else(|| DirectoryReply::invalid_parameter("after"))
}

fn lines(entries: &[impl Serialize]) -> String {
    let line = |entry| serde_json::to_string(entry).expect("texts and numbers have a JSON form");
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}
