//! Nonces of service tokens: each is good once.

use crate::atproto::Moment;

use super::{Batch, batch::Unmet, engine::Sql};

static INSERT: Sql =
    Sql::new("INSERT INTO nonces (nonce, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING");

/// Uses a nonce up, or fails with [`Unmet::NonceUsed`]. It is remembered until
/// the token that carries it would expire anyway.
pub fn consume(batch: &mut Batch, nonce: &str, expires_at: Moment) {
    batch.add_one(INSERT.bind(nonce).bind(expires_at), Unmet::NonceUsed);
}

static DELETE_EXPIRED: Sql = Sql::new("DELETE FROM nonces WHERE expires_at < $1");

/// Forgets nonces whose tokens have expired.
pub fn delete_expired(batch: &mut Batch, now: Moment) {
    batch.add(DELETE_EXPIRED.bind(now));
}
