//! `/`: what this server is, for whoever opens it in a browser.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

use crate::http::App;

const PAGE: &str = include_str!("home.html");
/// Nothing but the page's own style: no scripts, no frames, nothing from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// The page about this server.
pub async fn home(State(app): State<App>) -> Response {
    let mut response = Html(page(&app.host.hostname)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn page(hostname: &str) -> String {
    PAGE.replace("{hostname}", &escaped(hostname)).replace("{version}", env!("CARGO_PKG_VERSION"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_server_and_nothing_is_left_to_fill_in() {
        let page = page("pds.test<b>");
        assert!(page.contains("<h1>pds.test&lt;b&gt;</h1>"));
        for place in ["{hostname}", "{version}"] {
            assert!(!page.contains(place), "{place}");
        }
    }
}
