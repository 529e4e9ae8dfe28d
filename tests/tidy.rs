//! The court (being written).
