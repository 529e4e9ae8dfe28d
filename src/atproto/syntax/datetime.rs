//! Datetimes: the common ground of RFC 3339, ISO 8601 and WHATWG.
//!
//! The text stays as it came, since it is part of what a record's hash covers.
//!
//! Spec: <https://atproto.com/specs/lexicon#datetime>

use std::str::FromStr;

use chrono::{DateTime, Datelike};

use super::text_type;
use crate::atproto::Moment;

/// Characters of a datetime, at most.
const DATETIME_CHARS_MAX: usize = 64;

/// A datetime with its time zone, such as `1985-04-12T23:20:50.123Z`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datetime(String);

text_type!(Datetime, InvalidDatetime);

impl Datetime {
    /// Returns the moment that is meant, to the millisecond.
    pub fn moment(&self) -> Moment {
        let date = DateTime::parse_from_rfc3339(&self.0);
        Moment::from_unix_ms(date.map_or(0, |date| date.timestamp_millis()))
    }
}

impl From<Moment> for Datetime {
    fn from(moment: Moment) -> Self {
        Self(moment.to_string())
    }
}

impl FromStr for Datetime {
    type Err = InvalidDatetime;

    fn from_str(text: &str) -> Result<Self, InvalidDatetime> {
        let shaped = text.len() <= DATETIME_CHARS_MAX && has_shape(text.as_bytes());
        if !shaped || text.ends_with("-00:00") {
            return Err(InvalidDatetime);
        }
        let date = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidDatetime)?;
        match date.naive_utc().year() < 0 {
            true => Err(InvalidDatetime),
            false => Ok(Self(text.to_owned())),
        }
    }
}

/// Checks `DDDD-DD-DDTDD:DD:DD`, then `.` and digits or nothing, then `Z` or
/// `±DD:DD`. Which digits make sense is chrono's to say.
fn has_shape(text: &[u8]) -> bool {
    let Some((main, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
    };
    let zone = rest == b"Z" || matches(rest, b"+00:00") || matches(rest, b"-00:00");
    zone && matches(main, b"0000-00-00T00:00:00")
}

/// Compares with a pattern in which `0` stands for any digit.
fn matches(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(b, p)| match p {
            b'0' => b.is_ascii_digit(),
            p => b == p,
        })
}
