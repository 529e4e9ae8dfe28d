//! Floor 1: repositories as values.
//!
//! A repository is a map from paths to records, a Merkle search tree over it,
//! and a signed commit over the tree's root. This room computes: trees,
//! proofs, commits, the difference that a batch of writes makes, and archives
//! (CAR). Everything is a pure function of what is handed in.
//!
//! It must not know where records live, that accounts exist, or what time it
//! is.
//!
//! Spec: <https://atproto.com/specs/repository>

pub mod blocks;
pub mod car;
pub mod commit;
pub mod proof;
pub mod tree;
pub mod verify;
pub mod write;

pub use blocks::{BlockMap, Blocks};
pub use commit::{Commit, UnsignedCommit};
pub use tree::Tree;
