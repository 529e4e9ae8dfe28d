//! Whom a proxied call is for: what the header says, or what the method means.
//!
//! Spec: <https://atproto.com/specs/xrpc#service-proxying>

use crate::atproto::syntax::Nsid;

/// The name of an AppView in its DID document.
pub(super) const APPVIEW: &str = "bsky_appview";
/// The name of a moderation service in its DID document.
pub(super) const LABELER: &str = "atproto_labeler";

/// Reports go to whoever takes reports.
const CREATE_REPORT: &str = "com.atproto.moderation.createReport";
/// Methods of moderators, all of which are one service's.
const MODERATION_PREFIX: &str = "tools.ozone.";

/// The header `atproto-proxy` in its two parts, neither of which is checked further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) did: &'a str,
    pub(super) service: &'a str,
}

/// A header that names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Nothing before `#`.
    #[error("no did specified in proxy header")]
    NoDid,
    /// No `#`, or nothing after it.
    #[error("no service id specified in proxy header")]
    NoService,
    /// More than one `#`.
    #[error("invalid proxy header format")]
    Format,
    /// A space somewhere.
    #[error("proxy header cannot contain spaces")]
    Spaces,
}

/// Reads the header.
// spec: xrpc#service-proxying
pub(super) fn parse(header: &str) -> Result<Named<'_>, BadHeader> {
    if header.starts_with('#') {
        return Err(BadHeader::NoDid);
    }
    let (did, service) = header.split_once('#').ok_or(BadHeader::NoService)?;
    if service.is_empty() {
        return Err(BadHeader::NoService);
    }
    if service.contains('#') {
        return Err(BadHeader::Format);
    }
    if header.contains(' ') {
        return Err(BadHeader::Spaces);
    }
    Ok(Named { did, service })
}

/// Whose a method is when no header says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    AppView,
    Moderation,
    Reports,
}

pub(super) fn owner(method: &Nsid) -> Owner {
    match method.as_str() {
        CREATE_REPORT => Owner::Reports,
        name if name.starts_with(MODERATION_PREFIX) => Owner::Moderation,
        _ => Owner::AppView,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_a_did_and_a_service() {
        let check = |header, expected| assert_eq!(parse(header), expected, "{header:?}");
        let named = Named { did: "did:web:a.example", service: "bsky_appview" };
        check("did:web:a.example#bsky_appview", Ok(named));
        check("x#y", Ok(Named { did: "x", service: "y" }));
        check("#bsky_appview", Err(BadHeader::NoDid));
        check("#", Err(BadHeader::NoDid));
        check("", Err(BadHeader::NoService));
        check("did:web:a.example", Err(BadHeader::NoService));
        check("did:web:a.example#", Err(BadHeader::NoService));
        check("did:web:a.example#a#b", Err(BadHeader::Format));
        check("did:web:a.example#a#", Err(BadHeader::Format));
        check("did:web:a.example##", Err(BadHeader::Format));
        check(" did:web:a.example#a", Err(BadHeader::Spaces));
        check("did:web:a.example#a b", Err(BadHeader::Spaces));
    }

    #[test]
    fn methods_without_a_header_go_to_their_owner() {
        let check = |method: &str, expected| {
            let nsid = Nsid::new(method.to_owned()).expect("an NSID");
            assert_eq!(owner(&nsid), expected, "{method}");
        };
        check("app.bsky.feed.getTimeline", Owner::AppView);
        check("chat.bsky.convo.listConvos", Owner::AppView);
        check("com.example.anything", Owner::AppView);
        check("com.atproto.moderation.createReport", Owner::Reports);
        check("com.atproto.moderation.getReport", Owner::AppView);
        check("tools.ozone.moderation.emitEvent", Owner::Moderation);
        check("tools.ozonelike.moderation.emitEvent", Owner::AppView);
    }
}
