//! Taking accounts, records and blobs down, and bringing them back.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::atproto::Cid;
use crate::atproto::syntax::{AtIdentifier, AtUri, Did, RecordPath};
use crate::http::auth::Moderator;
use crate::http::input::Input;
use crate::http::params::Params;
use crate::http::{Answer, App, XrpcError};
use crate::service::accounts::{Decision, Decisions, Subject};

/// A subject as the wire names it.
#[derive(Serialize, Deserialize)]
#[serde(tag = "$type")]
pub enum SubjectRef {
    /// An account.
    #[serde(rename = "com.atproto.admin.defs#repoRef")]
    Repo {
        /// Its DID.
        did: Did,
    },
    /// A record.
    #[serde(rename = "com.atproto.repo.strongRef")]
    Record {
        /// Where it stands.
        uri: AtUri,
        /// Its version, as the moderator saw it.
        cid: Cid,
    },
    /// A blob.
    #[serde(rename = "com.atproto.admin.defs#repoBlobRef")]
    Blob {
        /// Whose it is.
        did: Did,
        /// Its CID.
        cid: Cid,
        /// The record in which the moderator saw it.
        #[serde(rename = "recordUri", skip_serializing_if = "Option::is_none")]
        record_uri: Option<AtUri>,
    },
}

/// Whether something applies, and the moderator's reference.
#[derive(Serialize, Deserialize)]
pub struct StatusAttr {
    applied: bool,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// Input of `updateSubjectStatus`.
#[derive(Deserialize)]
pub struct Update {
    subject: SubjectRef,
    takedown: Option<StatusAttr>,
    deactivated: Option<StatusAttr>,
}

/// Parameters of `getSubjectStatus`: one subject.
#[derive(Deserialize)]
pub struct Wanted {
    did: Option<Did>,
    uri: Option<AtUri>,
    blob: Option<Cid>,
}

/// Answer of both.
#[derive(Serialize)]
pub struct Status {
    subject: SubjectRef,
    takedown: StatusAttr,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated: Option<StatusAttr>,
}

/// Answer of `updateSubjectStatus`.
#[derive(Serialize)]
pub struct Updated {
    subject: SubjectRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    takedown: Option<StatusAttr>,
}

impl From<StatusAttr> for Decision {
    fn from(status: StatusAttr) -> Self {
        match status.applied {
            true => Self::Apply(status.reference),
            false => Self::Lift,
        }
    }
}

impl From<Decision> for StatusAttr {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Apply(reference) => Self { applied: true, reference },
            Decision::Lift => Self { applied: false, reference: None },
        }
    }
}

/// `com.atproto.admin.updateSubjectStatus`: takes down, lifts, rests, wakes; an
/// account's present status is told to the network in any case.
pub async fn update_subject_status(
    State(app): State<App>,
    Moderator: Moderator,
    Input(update): Input<Update>,
) -> Answer<Updated> {
    let subject = subject(&update.subject)?;
    let takedown = update.takedown.map(Decision::from);
    let deactivated = update.deactivated.map(Decision::from);
    let decisions = Decisions { takedown: takedown.clone(), deactivated, suspended: None };
    app.accounts.decide(&subject, &decisions).await?;
    Ok(Json(Updated { subject: update.subject, takedown: takedown.map(StatusAttr::from) }))
}

/// `com.atproto.admin.getSubjectStatus`: how an account, a record or a blob
/// stands.
pub async fn get_subject_status(
    State(app): State<App>,
    Moderator: Moderator,
    Params(wanted): Params<Wanted>,
) -> Answer<Status> {
    let named = named(&app, wanted).await?;
    let status = app.accounts.subject_status(&subject(&named)?).await?;
    Ok(Json(Status {
        subject: named,
        takedown: status.takedown.into(),
        deactivated: status.deactivated.map(StatusAttr::from),
    }))
}

/// The subject that the parameters name.
async fn named(app: &App, wanted: Wanted) -> Result<SubjectRef, XrpcError> {
    match (wanted.did, wanted.uri, wanted.blob) {
        (Some(did), None, Some(cid)) => Ok(SubjectRef::Blob { did, cid, record_uri: None }),
        (None, Some(uri), None) => {
            let cid = app.accounts.version_of(&subject_of_uri(&uri)?).await?;
            Ok(SubjectRef::Record { uri, cid })
        }
        (Some(did), None, None) => Ok(SubjectRef::Repo { did }),
        (None, None, Some(_)) => {
            Err(XrpcError::invalid_request("Must provide a did to request blob state"))
        }
        _ => Err(XrpcError::invalid_request("No subject provided, or more than one")),
    }
}

fn subject(named: &SubjectRef) -> Result<Subject, XrpcError> {
    match named {
        SubjectRef::Repo { did } => Ok(Subject::Account(did.clone())),
        SubjectRef::Blob { did, cid, .. } => Ok(Subject::Blob(did.clone(), *cid)),
        SubjectRef::Record { uri, .. } => subject_of_uri(uri),
    }
}

fn subject_of_uri(uri: &AtUri) -> Result<Subject, XrpcError> {
    match (uri.authority(), uri.collection(), uri.rkey()) {
        (AtIdentifier::Did(did), Some(collection), Some(rkey)) => {
            Ok(Subject::Record(did, RecordPath::new(collection, rkey)))
        }
        _ => Err(XrpcError::invalid_request("The uri must name a record by its DID")),
    }
}
