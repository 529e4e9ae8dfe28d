//! Which handles this server gives out.
//!
//! Pure: whether a name is taken, and whether a name outside leads to its
//! owner, is asked elsewhere.

use crate::{
    atproto::syntax::{Handle, is_disallowed_tld, normalize_handle},
    world::Network,
};

use super::reserved;

/// Characters before a domain of this server.
const LABEL_CHARS_MIN: usize = 3;
const LABEL_CHARS_MAX: usize = 18;
/// Characters of a handle that leave room for `_atproto.` in a name of DNS.
const HANDLE_CHARS_MAX: usize = 244;

/// Who asks for a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// Whoever signs up or owns the account.
    Owner,
    /// The operator, who may give out reserved names and the bare domain itself.
    Operator,
}

/// A handle that may be given out, as far as its text goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// Under a domain of this server: true because the server says so.
    Hosted(Handle),
    /// Anywhere else: true if it resolves to the account.
    External(Handle),
}

impl Permitted {
    /// Returns the handle.
    pub fn handle(&self) -> &Handle {
        let (Self::Hosted(handle) | Self::External(handle)) = self;
        handle
    }
}

/// A handle is not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleRefused {
    /// Not a handle.
    #[error("Handle is not a valid host name")]
    Syntax,
    /// A top-level domain that nobody owns.
    #[error("Handle TLD is invalid or disallowed")]
    DisallowedTld,
    /// More or less than one label before the server's domain.
    #[error("Invalid characters in handle")]
    NotOneLabel,
    /// Fewer than three characters before the server's domain.
    #[error("Handle too short")]
    TooShort,
    /// More characters than allowed.
    #[error("Handle too long")]
    TooLong,
    /// A name that would speak for the server or for somebody well known.
    #[error("Reserved handle")]
    Reserved,
}

/// Returns whether `handle` lies under one of `domains`, each with its leading dot.
pub fn is_hosted(handle: &str, domains: &[String]) -> bool {
    domains.iter().any(|domain| handle.ends_with(domain.as_str()))
}

/// Decides whether the text of a handle is one that may be given out by a
/// server of these `domains`.
///
/// # Errors
/// [`HandleRefused`].
pub fn check(
    text: &str,
    domains: &[String],
    network: Network,
    asked_by: AskedBy,
) -> Result<Permitted, HandleRefused> {
    let handle = normalize_handle(text).map_err(|_| HandleRefused::Syntax)?;
    // `example.com` of `.example.com`: whoever has it speaks for all below it, so
    // that others must prove that it is theirs.
    let bare = domains.iter().any(|domain| domain.strip_prefix('.') == Some(handle.as_str()));
    if bare && asked_by == AskedBy::Operator {
        return Ok(Permitted::Hosted(handle));
    }
    // The longest domain that fits: of `.a.test` and `.b.a.test` the second.
    let domain = domains.iter().filter(|domain| handle.as_str().ends_with(domain.as_str()));
    let domain = domain.max_by_key(|domain| domain.len());
    match domain {
        Some(domain) => {
            let label = &handle.as_str()[..handle.as_str().len() - domain.len()];
            check_label(label, asked_by)?;
            Ok(Permitted::Hosted(handle))
        }
        None => {
            // A developer's own domains are under such names.
            if is_disallowed_tld(&handle) || (is_test(&handle) && network == Network::Internet) {
                return Err(HandleRefused::DisallowedTld);
            }
            if handle.as_str().len() > HANDLE_CHARS_MAX {
                return Err(HandleRefused::TooLong);
            }
            Ok(Permitted::External(handle))
        }
    }
}

fn check_label(label: &str, asked_by: AskedBy) -> Result<(), HandleRefused> {
    if label.contains('.') || label.is_empty() {
        return Err(HandleRefused::NotOneLabel);
    }
    if label.len() < LABEL_CHARS_MIN {
        return Err(HandleRefused::TooShort);
    }
    if label.len() > LABEL_CHARS_MAX {
        return Err(HandleRefused::TooLong);
    }
    if asked_by == AskedBy::Owner && reserved::contains(label) {
        return Err(HandleRefused::Reserved);
    }
    Ok(())
}

fn is_test(handle: &Handle) -> bool {
    handle.as_str().ends_with(".test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> Vec<String> {
        vec![".pds.example.com".into(), ".test".into(), ".deep.test".into()]
    }

    #[test]
    fn handles_under_our_domains_have_one_label_of_fair_length() {
        use HandleRefused::*;
        let check = |text: &str, expected: Result<&str, HandleRefused>| {
            let answer = check(text, &domains(), Network::Internet, AskedBy::Owner);
            let expected = expected
                .map(|handle| Permitted::Hosted(Handle::new(handle.to_owned()).expect("a handle")));
            assert_eq!(answer, expected, "{text}");
        };
        check("alice.pds.example.com", Ok("alice.pds.example.com"));
        check("ALICE.pds.Example.com", Ok("alice.pds.example.com"));
        check("bob.test", Ok("bob.test"));
        check("bob.deep.test", Ok("bob.deep.test"));
        check("a1-b.test", Ok("a1-b.test"));
        check("abcdefghijklmnopqr.test", Ok("abcdefghijklmnopqr.test"));
        check("abcdefghijklmnopqrs.test", Err(TooLong));
        check("ab.test", Err(TooShort));
        check("a.bob.test", Err(NotOneLabel));
        check("deep.test", Ok("deep.test"));
        check("admin.test", Err(Reserved));
        check("-bob.test", Err(Syntax));
        check("bob_b.test", Err(Syntax));
        check("@bob.test", Err(Syntax));
        check("bob", Err(Syntax));
        check("", Err(Syntax));
    }

    #[test]
    fn handles_elsewhere_need_a_domain_that_somebody_can_own() {
        let check = |text: &str, expected: Result<(), HandleRefused>| {
            let domains = [".pds.example.com".to_owned()];
            let answer = check(text, &domains, Network::Internet, AskedBy::Owner);
            assert_eq!(answer.map(|p| assert!(matches!(p, Permitted::External(_)))), expected);
        };
        check("alice.example.com", Ok(()));
        check("x.co", Ok(()));
        // The bare domain is its owner's to prove.
        check("pds.example.com", Ok(()));
        check("alice.local", Err(HandleRefused::DisallowedTld));
        check("alice.example", Err(HandleRefused::DisallowedTld));
        check("handle.invalid", Err(HandleRefused::DisallowedTld));
        check("alice.test", Err(HandleRefused::DisallowedTld));
        let label = "a".repeat(60);
        let long = format!("{label}.{label}.{label}.{label}.com");
        check(&long, Err(HandleRefused::TooLong));
    }

    #[test]
    fn the_operator_may_give_out_reserved_names_and_no_bad_ones() {
        let check = |text| check(text, &domains(), Network::Internet, AskedBy::Operator);
        assert!(check("admin.test").is_ok());
        let bare = Handle::new("pds.example.com".to_owned()).expect("a handle");
        assert_eq!(check("pds.example.com"), Ok(Permitted::Hosted(bare)));
        assert_eq!(check("ab.test"), Err(HandleRefused::TooShort));
    }
}
