//! What an event stream says when something is not as a subscriber hoped.

use bytes::Bytes;

use crate::atproto::event::{error_frame, info_frame};

/// The cursor lies ahead of the stream.
pub fn future_cursor() -> Bytes {
    error_frame("FutureCursor", "The cursor is ahead of the stream")
}

/// The subscriber reads more slowly than events come.
pub fn consumer_too_slow() -> Bytes {
    error_frame("ConsumerTooSlow", "The subscriber reads more slowly than events come")
}

/// Events after the cursor are gone; the stream goes on with older ones.
pub fn outdated_cursor() -> Bytes {
    info_frame("OutdatedCursor", "Events after the cursor are no longer kept; the oldest follow")
}
