//! The tree in preorder: each node before what is under it, and each record at
//! the place of its entry.
//!
//! It is the order in which a reader can check an archive while it streams in.
//! Records come in ascending order of paths, so that a second scan of the
//! store in that order supplies the values as the walk asks for them.
//!
//! Spec: <https://atproto.com/specs/repository#streamable-car-block-ordering>

use std::{mem, sync::Arc};

use super::{
    block::{BlockReader, RawEntry},
    node::{Node, next_entry},
};
use crate::atproto::Cid;

/// What comes next in an archive.
#[derive(Debug)]
pub enum Step<'a> {
    /// A node's block.
    Node(&'a Arc<Node>),
    /// A record's block.
    Record {
        /// Where the record stands.
        path: &'a str,
        /// Its name.
        cid: Cid,
    },
}

/// A walk over one version of a tree. It owns what it walks over, so it may
/// live as long as a download.
pub struct Walk {
    /// The nodes from the root to where the walk is.
    stack: Vec<Place>,
    /// A node that was entered and not yet shown.
    entered: bool,
    /// The path shown last, valid while its record is shown.
    path: String,
}

struct Place {
    node: Arc<Node>,
    /// Bytes of the block already read, and entries not yet read.
    offset: usize,
    remaining: usize,
    /// Entries already read.
    position: usize,
    /// The key read last, from which the next takes its prefix.
    key: String,
}

impl Walk {
    pub(super) fn new(root: Arc<Node>) -> Self {
        Self { stack: vec![Place::new(root)], entered: true, path: String::new() }
    }

    /// Takes the next step, `None` at the end.
    pub fn advance(&mut self) -> Option<Step<'_>> {
        if mem::take(&mut self.entered) {
            let shown = self.stack.len() - 1;
            if let Some(child) = self.stack[shown].node.child(0).cloned() {
                self.enter(child);
            }
            return Some(Step::Node(&self.stack[shown].node));
        }
        loop {
            let place = self.stack.last_mut()?;
            let Some(value) = place.next_value() else {
                self.stack.pop();
                continue;
            };
            self.path.clone_from(&place.key);
            if let Some(child) = place.node.child(place.position).cloned() {
                self.enter(child);
            }
            return Some(Step::Record { path: &self.path, cid: value });
        }
    }

    fn enter(&mut self, child: Arc<Node>) {
        self.stack.push(Place::new(child));
        self.entered = true;
    }
}

impl Place {
    fn new(node: Arc<Node>) -> Self {
        let reader = node.reader();
        let remaining = reader.remaining();
        let offset = node.block().len() - reader.rest().len();
        Self { node, offset, remaining, position: 0, key: String::new() }
    }

    fn next_value(&mut self) -> Option<Cid> {
        let block = self.node.block();
        let mut reader = BlockReader::resume(&block[self.offset..], self.remaining);
        let RawEntry { value, .. } = next_entry(&mut reader, &mut self.key)?;
        self.offset = block.len() - reader.rest().len();
        self.remaining = reader.remaining();
        self.position += 1;
        Some(value)
    }
}

/// The records of a tree in ascending order of paths.
pub struct Records(Walk);

impl Records {
    pub(super) fn new(walk: Walk) -> Self {
        Self(walk)
    }
}

impl Iterator for Records {
    type Item = (String, Cid);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Step::Record { path, cid } = self.0.advance()? {
                return Some((path.to_owned(), cid));
            }
        }
    }
}
