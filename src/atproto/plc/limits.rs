//! How large an operation may be: what the network's directory refuses, and
//! the narrower bounds of the method's text that we keep in what we sign.
//!
//! The directory counts characters as JavaScript does, in UTF-16 units; we
//! count bytes, which is never less.

use std::collections::BTreeSet;

use super::{Operation, State};

/// The most bytes of a signed operation in CBOR; the text of the method says
/// 7500, the directory 4000.
pub const OPERATION_BYTES_MAX: usize = 4000;

/// A handle has at most 253 characters, after `at://`.
const ALIAS_CHARS_MAX: usize = 258;
const ALIASES_MAX: usize = 10;
/// What the directory takes; the text of the method says 5, so we sign 5.
const ROTATION_KEYS_MAX: usize = 10;
const ROTATION_KEYS_SIGNED_MAX: usize = 5;
const METHODS_MAX: usize = 10;
const SERVICES_MAX: usize = 10;
/// The name of a key or of a service.
const NAME_CHARS_MAX: usize = 32;
const SERVICE_KIND_CHARS_MAX: usize = 256;
const ENDPOINT_CHARS_MAX: usize = 512;

/// Which bound an operation breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitBroken {
    /// The whole is too large.
    #[error("the operation has {found} bytes in CBOR, at most {max} are allowed")]
    Bytes {
        /// How many it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// A list or a map has too many entries.
    #[error("{field} has {found} entries, at most {max} are allowed")]
    Entries {
        /// Which field.
        field: &'static str,
        /// How many it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// A text is too long.
    #[error("a text in {field} has {found} characters, at most {max} are allowed")]
    Chars {
        /// Which field.
        field: &'static str,
        /// How many it has.
        found: usize,
        /// How many it may have.
        max: usize,
    },
    /// An entry stands twice in a list.
    #[error("{field} has an entry twice")]
    Duplicate {
        /// Which field.
        field: &'static str,
    },
    /// A rotation key is of a kind that cannot sign operations.
    #[error("a rotation key is neither secp256k1 nor P-256")]
    RotationKey,
    /// Nobody could ever change the identity.
    #[error("there is no rotation key")]
    NoRotationKey,
}

/// Checks what a directory checks in an operation that is posted to it.
pub(super) fn check_incoming(operation: &Operation) -> Result<(), LimitBroken> {
    let found = operation.signed_bytes().len();
    if found > OPERATION_BYTES_MAX {
        return Err(LimitBroken::Bytes { found, max: OPERATION_BYTES_MAX });
    }
    match operation.state() {
        Some(state) => check_state(state),
        None => Ok(()),
    }
}

/// Checks a state that we are about to sign, by the narrower bounds.
pub(super) fn check_signed(state: &State) -> Result<(), LimitBroken> {
    let keys = &state.rotation_keys;
    if keys.is_empty() {
        return Err(LimitBroken::NoRotationKey);
    }
    entries("rotationKeys", keys.len(), ROTATION_KEYS_SIGNED_MAX)?;
    distinct("rotationKeys", keys)?;
    check_state(state)
}

fn check_state(state: &State) -> Result<(), LimitBroken> {
    entries("alsoKnownAs", state.also_known_as.len(), ALIASES_MAX)?;
    distinct("alsoKnownAs", &state.also_known_as)?;
    for alias in &state.also_known_as {
        chars("alsoKnownAs", alias, ALIAS_CHARS_MAX)?;
    }
    entries("rotationKeys", state.rotation_keys.len(), ROTATION_KEYS_MAX)?;
    for key in &state.rotation_keys {
        key.public_key().map_err(|_| LimitBroken::RotationKey)?;
    }
    entries("verificationMethods", state.verification_methods.len(), METHODS_MAX)?;
    for name in state.verification_methods.keys() {
        chars("verificationMethods", name, NAME_CHARS_MAX)?;
    }
    entries("services", state.services.len(), SERVICES_MAX)?;
    for (name, service) in &state.services {
        chars("services", name, NAME_CHARS_MAX)?;
        chars("services", &service.kind, SERVICE_KIND_CHARS_MAX)?;
        chars("services", &service.endpoint, ENDPOINT_CHARS_MAX)?;
    }
    Ok(())
}

fn entries(field: &'static str, found: usize, max: usize) -> Result<(), LimitBroken> {
    if found > max {
        return Err(LimitBroken::Entries { field, found, max });
    }
    Ok(())
}

fn chars(field: &'static str, text: &str, max: usize) -> Result<(), LimitBroken> {
    let found = text.len();
    if found > max {
        return Err(LimitBroken::Chars { field, found, max });
    }
    Ok(())
}

fn distinct<T: Ord>(field: &'static str, list: &[T]) -> Result<(), LimitBroken> {
    if list.iter().collect::<BTreeSet<_>>().len() < list.len() {
        return Err(LimitBroken::Duplicate { field });
    }
    Ok(())
}
