//! A panic in one request ends that request only.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use super::XrpcError;

/// Logs the panic and answers 500 in its place.
pub fn answer(panic: Box<dyn Any + Send>) -> Response {
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast::<&'static str>().map_or("no text".to_owned(), |text| text.to_string())
        }
    };
    XrpcError::internal(format!("it panicked: {text}")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::{Request, StatusCode};
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_own_request_only() {
        let router = Router::new()
            .route(
                "/panics",
                get(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/works", get(|| async { "it does" }))
            .layer(CatchPanicLayer::custom(answer));
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request).await.expect("an answer")
        };
        let broken = ask("/panics").await;
        assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(broken.into_body(), 1_000).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("InternalServerError") && !text.contains("purpose"), "{text}");
        assert_eq!(ask("/works").await.status(), StatusCode::OK);
    }
}
