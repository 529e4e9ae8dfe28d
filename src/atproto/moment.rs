//! A moment: a point in time to the millisecond, and its one text form.
//!
//! The text has 24 characters (`2026-01-02T03:04:05.678Z`), so that its order
//! is the order of time wherever it is stored. What time it is now, only
//! `world::Clock` knows.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, SecondsFormat};

/// A point in time, in milliseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

/// A text is not a moment in the 24-character form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a moment of the form 2026-01-02T03:04:05.678Z")]
pub struct InvalidMoment;

impl Moment {
    /// Returns the moment `ms` milliseconds after the start of 1970.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Returns milliseconds since the start of 1970.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since the start of 1970.
    pub const fn unix_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the moment that comes `after` this one.
    pub fn plus(self, after: Duration) -> Self {
        let ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// Returns the moment that lies `before` this one.
    pub fn minus(self, before: Duration) -> Self {
        let ms = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(ms))
    }

    /// Returns the time from `earlier` to this moment, zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::UNIX_EPOCH);
        f.write_str(&date.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        if text.len() != 24 || !text.ends_with('Z') {
            return Err(InvalidMoment);
        }
        let date = DateTime::parse_from_rfc3339(text).map_err(|_| InvalidMoment)?;
        Ok(Self(date.timestamp_millis()))
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_form_and_reads_back() {
        let moment = Moment::from_unix_ms(1_767_323_045_678);
        assert_eq!(moment.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!("2026-01-02T03:04:05.678Z".parse(), Ok(moment));
        assert_eq!("2026-01-02T03:04:05Z".parse::<Moment>(), Err(InvalidMoment));
    }
}
