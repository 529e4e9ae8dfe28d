//! `com.atproto.sync`: what relays and mirrors read.
//!
//! All of it is public. A token of the owner or the administrator's password
//! shows what is not active, too.

mod archives;
mod blobs;
mod status;
mod subscribe_repos;

pub use archives::{get_blocks, get_checkout, get_record, get_repo};
pub use blobs::{get_blob, list_blobs};
pub use status::{get_head, get_latest_commit, get_repo_status, list_repos};
pub use subscribe_repos::subscribe_repos;

use serde::Deserialize;

use crate::atproto::syntax::Did;
use crate::http::auth::Viewer;
use crate::service::hosting::Asker;

/// Parameters of the methods that ask for one repository.
#[derive(Deserialize)]
pub struct OneRepo {
    did: Did,
}

fn asker(viewer: Viewer) -> Asker {
    match viewer {
        Viewer::Anyone => Asker::Anyone,
        Viewer::Account(actor) => Asker::Account(actor.did),
        Viewer::Admin => Asker::Admin,
    }
}
