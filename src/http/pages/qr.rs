//! QR codes, drawn on the server.

use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of quiet around a code.
const QUIET: i32 = 2;

/// A code as a picture of one path, with what it is for those who do not see it.
pub fn qr(label: &str, text: &str) -> Markup {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    let side = size + 2 * QUIET;
    html! {
        svg.qr role="img" aria-label=(label) viewBox=(format!("0 0 {side} {side}")) shape-rendering="crispEdges" {
            path d=(path) fill="#000" {}
        }
    }
}
