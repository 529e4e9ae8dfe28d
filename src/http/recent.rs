//! Answers of an AppView that miss what the account has just written.
//!
//! Such an answer is read whole, patched by `service::recent`, and sent on with
//! a header that tells how late the AppView is. All others stream through as
//! they came, and so does one that is too large, compressed in an unknown way,
//! or not JSON of the expected shape.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;
use url::form_urlencoded;

use super::error::Retold;
use super::proxy::{answer, error_body, passed_back};
use super::{App, encoding};
use crate::atproto::syntax::{Did, Nsid, Tid};
use crate::service::grants::Actor;
use crate::service::proxy::Call;
use crate::service::recent::{self, Kind, Local, Post, Query, Quotes, views};
use crate::world::http::{RequestBody, Streamed};

/// Bytes of an answer that is read whole, before and after it is unpacked: many
/// times what a page of posts has.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Records in new posts that an AppView is asked for, for one answer.
const QUOTES_MAX: usize = 5;
/// How long the client waits for them.
const QUOTES_TIME_MAX: Duration = Duration::from_secs(2);

const REPO_REV: HeaderName = HeaderName::from_static("atproto-repo-rev");
const UPSTREAM_LAG: HeaderName = HeaderName::from_static("atproto-upstream-lag");
const GET_FEED: &str = "app.bsky.feed.getFeed";
const GET_RECORD: &str = "com.atproto.repo.getRecord";

/// A call, and who makes it.
pub(super) struct Asked<'a> {
    pub(super) app: &'a App,
    pub(super) actor: &'a Actor,
    pub(super) call: &'a Call,
}

impl Asked<'_> {
    /// Makes the response of what the AppView answered.
    pub(super) async fn answer(&self, streamed: Streamed) -> Response {
        let kind = Kind::of(self.call.method.as_str());
        let (Some(kind), true) = (kind, self.call.is_query_of_appview()) else {
            return answer(streamed).await;
        };
        let Some(local) = self.local(&streamed.headers).await else {
            return answer(streamed).await;
        };
        if streamed.status.is_success() {
            return self.patched(kind, &local, answer(streamed).await).await;
        }
        if kind == Kind::PostThread && streamed.status.is_client_error() {
            return self.thread(&local, streamed).await;
        }
        answer(streamed).await
    }

    async fn local(&self, headers: &HeaderMap) -> Option<Local> {
        let rev = Tid::new(headers.get(&REPO_REV)?.to_str().ok()?.to_owned()).ok()?;
        let Self { app, actor, .. } = self;
        let found = recent::since(&app.store.db, &app.host.public_url, &actor.did, &rev).await;
        found
            .inspect_err(|error| tracing::warn!(%error, "Recent records could not be read."))
            .ok()
            .flatten()
    }

    async fn patched(&self, kind: Kind, local: &Local, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let bytes = match buffered(body).await {
            Ok(bytes) => bytes,
            Err(body) => return Response::from_parts(parts, body),
        };
        let Some(mut value) = unpacked(&parts.headers, bytes.clone()).await else {
            return Response::from_parts(parts, bytes.into());
        };
        let query = self.query();
        let posts = local.wanted(kind, &query, &value);
        let quotes = self.quotes(&posts).await;
        local.patch(kind, &mut value, &posts, &quotes);
        self.response(parts.headers, local, &value)
    }

    /// The thread of a post that only this server knows, else the error.
    async fn thread(&self, local: &Local, streamed: Streamed) -> Response {
        let Streamed { status, headers, body } = streamed;
        let said = error_body(&headers, Body::from_stream(body)).await;
        let headers = passed_back(&headers);
        let query = self.query();
        let error = Retold::new(status, headers.clone(), &said);
        let post = query.get("uri").and_then(|uri| local.post_at(uri));
        let (true, Some(post)) = (error.is_not_found(), post) else {
            return error.into_response();
        };
        let quotes = self.quotes(&local.posts.iter().collect::<Vec<_>>()).await;
        let mut value = local.thread(post, &quotes);
        if let Some(parent) = post.record.pointer("/reply/parent/uri").and_then(Value::as_str) {
            let mut params = vec![("uri", parent), ("depth", "0")];
            params.extend(query.get("parentHeight").map(|height| ("parentHeight", height)));
            let above = self.ask(self.call.method.as_str(), &params).await;
            if let Some(above) = above.as_ref().and_then(|above| above.get("thread")) {
                value["thread"]["parent"] = above.clone();
            }
        }
        self.response(headers, local, &value)
    }

    fn query(&self) -> Query {
        Query::new(self.call.path_and_query.query().unwrap_or_default())
    }

    fn response(&self, mut headers: HeaderMap, local: &Local, value: &Value) -> Response {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_ENCODING);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(oldest_at) = local.oldest_at() {
            let lag = self.app.world.clock.now().since(oldest_at).as_millis();
            let lag = u64::try_from(lag).unwrap_or(u64::MAX);
            headers.insert(UPSTREAM_LAG, lag.into());
        }
        let mut response = Response::new(Body::from(value.to_string()));
        response.headers_mut().extend(headers);
        response
    }

    /// Asks the AppView for what new posts embed.
    async fn quotes(&self, posts: &[&Post]) -> Quotes {
        let mut quotes = Quotes::new();
        let asking = async {
            for uri in posts.iter().filter_map(|post| post.quoted()).take(QUOTES_MAX) {
                if let Some(view) = self.quote(uri).await {
                    quotes.insert(uri.to_owned(), view);
                }
            }
        };
        // What has not come by then is shown as not found, for now.
        let _ = self.app.world.clock.timeout(QUOTES_TIME_MAX, asking).await;
        quotes
    }

    async fn quote(&self, uri: &str) -> Option<Value> {
        let typed = |view: Option<&Value>, name: &str| {
            let mut view = view?.clone();
            view.as_object_mut()?.insert("$type".to_owned(), name.into());
            Some(view)
        };
        match uri.split('/').nth(3)? {
            "app.bsky.feed.post" => {
                let answer = self.ask("app.bsky.feed.getPosts", &[("uris", uri)]).await?;
                views::quoted_post(answer.pointer("/posts/0")?.clone())
            }
            "app.bsky.feed.generator" => {
                let answer = self.ask("app.bsky.feed.getFeedGenerator", &[("feed", uri)]).await?;
                typed(answer.get("view"), "app.bsky.feed.defs#generatorView")
            }
            "app.bsky.graph.list" => {
                let params = [("list", uri), ("limit", "1")];
                let answer = self.ask("app.bsky.graph.getList", &params).await?;
                typed(answer.get("list"), "app.bsky.graph.defs#listView")
            }
            _ => None,
        }
    }

    /// Asks the same AppView for something else, in the same account's name.
    async fn ask(&self, method: &str, params: &[(&str, &str)]) -> Option<Value> {
        let mut call = query_call(method, params)?;
        call.headers = self.call.headers.clone();
        call.headers.remove(header::ACCEPT_ENCODING);
        call.proxy_header = self.call.proxy_header.clone();
        let answered = self.app.proxy.forward(self.actor, &call, RequestBody::Empty).await;
        json_of(answered.ok()?).await
    }
}

/// Finds whom the token of a call for a feed is for: the feed's generator,
/// which the AppView asks in the account's name. Nothing where the call is for
/// no feed, or the AppView knows none such; it will say so itself.
pub(super) async fn feed_generator(app: &App, call: &Call) -> Option<Did> {
    if call.method.as_str() != GET_FEED || !call.is_query_of_appview() {
        return None;
    }
    let query = Query::new(call.path_and_query.query().unwrap_or_default());
    let mut parts = query.get("feed")?.strip_prefix("at://")?.split('/');
    let (repo, collection, rkey) = (parts.next()?, parts.next()?, parts.next()?);
    let params = [("repo", repo), ("collection", collection), ("rkey", rkey)];
    let lookup = query_call(GET_RECORD, &params)?;
    let answer = app.proxy.forward_publicly(&lookup).await.ok()??;
    let record = json_of(answer).await?;
    Did::new(record.pointer("/value/did")?.as_str()?.to_owned()).ok()
}

fn query_call(method: &str, params: &[(&str, &str)]) -> Option<Call> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    Some(Call {
        method: Nsid::new(method.to_owned()).ok()?,
        verb: Method::GET,
        path_and_query: PathAndQuery::try_from(format!("/xrpc/{method}?{query}")).ok()?,
        headers: HeaderMap::new(),
        proxy_header: None,
        feed_generator: None,
    })
}

async fn json_of(streamed: Streamed) -> Option<Value> {
    if !streamed.status.is_success() {
        return None;
    }
    let bytes = buffered(Body::from_stream(streamed.body)).await.ok()?;
    unpacked(&streamed.headers, bytes).await
}

/// Reads a body whole; one that is too large or breaks is given back, with what
/// was read of it in front.
async fn buffered(body: Body) -> Result<Bytes, Body> {
    let mut rest = body.into_data_stream();
    let mut pieces = Vec::new();
    let mut size_bytes = 0;
    while let Some(piece) = rest.next().await {
        size_bytes += piece.as_ref().map_or(0, Bytes::len);
        let broken = piece.is_err();
        pieces.push(piece);
        if broken || size_bytes > ANSWER_BYTES_MAX {
            return Err(Body::from_stream(stream::iter(pieces).chain(rest)));
        }
    }
    let pieces: Vec<Bytes> = pieces.into_iter().flatten().collect();
    Ok(pieces.concat().into())
}

async fn unpacked(headers: &HeaderMap, bytes: Bytes) -> Option<Value> {
    let body = encoding::decoded(headers, bytes.into()).await.ok()?;
    let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&bytes).ok()
}
