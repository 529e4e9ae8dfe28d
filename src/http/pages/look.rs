//! The operator's colour, made readable.
//!
//! Whatever colour is chosen, text and edges keep the contrast that people need:
//! it is made darker on light pages and lighter on dark ones until they do.
//!
//! Spec: WCAG 2.2, 1.4.3

use crate::http::App;

/// Contrast of text.
const CONTRAST_MIN: f64 = 4.5;
/// Steps towards black or white.
const STEPS: u16 = 50;

/// Grounds of the two schemes, the least convenient of each.
const LIGHT: Color = Color([0xf6, 0xf5, 0xf1]);
const DARK: Color = Color([0x1c, 0x20, 0x1e]);

/// A colour in sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// The rules that the operator's colour adds to the style sheet.
pub fn style(app: &App) -> String {
    let Some(color) = app.look.color else { return String::new() };
    let color = Color(color);
    let rule = |accent: Color| {
        format!(
            ":root {{ --accent: {}; --on-accent: {}; --good: {} }}",
            accent.hex(),
            accent.opposite().hex(),
            accent.hex()
        )
    };
    let (light, dark) = (rule(color.readable_on(LIGHT)), rule(color.readable_on(DARK)));
    format!("{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n")
}

impl Color {
    fn hex(self) -> String {
        let [r, g, b] = self.0;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Black or white, whichever can be read on it.
    fn opposite(self) -> Self {
        let (black, white) = (Self([0x10, 0x14, 0x12]), Self([0xff; 3]));
        if self.contrast(white) >= self.contrast(black) { white } else { black }
    }

    /// The colour, as far from `ground` as text must be.
    fn readable_on(self, ground: Self) -> Self {
        let target = if ground.luminance() > 0.5 { 0 } else { 255 };
        let step = |step: u16| {
            Self(self.0.map(|part| {
                let (from, to) = (i32::from(part), target);
                let moved = from + (to - from) * i32::from(step) / i32::from(STEPS);
                u8::try_from(moved).unwrap_or(part)
            }))
        };
        let readable = |color: &Self| {
            color.contrast(ground) >= CONTRAST_MIN
                && color.contrast(color.opposite()) >= CONTRAST_MIN
        };
        (0..=STEPS).map(step).find(readable).unwrap_or(self)
    }

    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance() + 0.05, other.luminance() + 0.05);
        if a > b { a / b } else { b / a }
    }

    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_colour_can_be_read_in_both_schemes() {
        for color in [[0xff, 0xff, 0], [0, 0, 0], [0xff; 3], [0x80; 3], [0x10, 0x83, 0xfe]] {
            for ground in [LIGHT, DARK] {
                let shown = Color(color).readable_on(ground);
                assert!(shown.contrast(ground) >= CONTRAST_MIN, "{color:?}");
                assert!(shown.contrast(shown.opposite()) >= CONTRAST_MIN, "{color:?}");
            }
        }
        assert_eq!(Color([0, 0x40, 0x80]).readable_on(LIGHT), Color([0, 0x40, 0x80]));
    }
}
