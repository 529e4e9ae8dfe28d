//! `[secrets]`: what only this server may know.
//!
//! A secret comes from the file, from a variable, or from a file that either
//! names. What none of them gives is generated at the first start and kept in
//! the data folder ([`crate::config::keyring`]), except where `PDS_*`
//! variables are set: an official installation has its secrets already, and
//! new ones would log everybody out.

use crate::atproto::crypto::{Curve, SigningKey};
use crate::config::official::{Mode, REQUIRED_SECRETS};
use crate::config::reader::{Reader, Section};
use crate::config::secret::Secret;

/// Section `[secrets]`.
#[derive(Clone, Debug)]
pub struct SecretsConfig {
    /// Signs session tokens; its UTF-8 bytes are the key.
    pub jwt_secret: Option<Secret>,
    /// Password of the administrator `admin`.
    pub admin_password: Option<Secret>,
    /// Signs operations of did:plc: 32 bytes in hex, curve k256.
    pub plc_rotation_key: Option<Secret>,
    /// Seals the accounts' signing keys at rest: 32 bytes in hex.
    pub master_key: Option<Secret>,
}

impl SecretsConfig {
    pub(in crate::config) fn read(reader: &mut Reader, mode: Mode) -> Self {
        let mut section = reader.section("secrets");
        let secrets = Self {
            jwt_secret: section.secret("jwt_secret"),
            admin_password: section.secret("admin_password"),
            plc_rotation_key: section.secret("plc_rotation_key"),
            master_key: section.secret("master_key"),
        };
        if !secrets.plc_rotation_key.as_ref().is_none_or(is_k256_key) {
            let wanted = "a secret key of curve k256, 64 hex digits";
            refuse(&mut section, "plc_rotation_key", wanted);
        }
        if secrets.master_key.as_ref().is_some_and(|key| key_bytes(key).is_none()) {
            refuse(&mut section, "master_key", "32 bytes, 64 hex digits");
        }
        if mode == Mode::Official {
            let given = [&secrets.jwt_secret, &secrets.admin_password, &secrets.plc_rotation_key];
            for ((key, variable), _) in
                REQUIRED_SECRETS.iter().zip(given).filter(|(_, given)| given.is_none())
            {
                let message = format!(
                    "wanted; set {variable} or {variable}_FILE, as for the official server"
                );
                section.fault(key, None, message);
            }
        }
        secrets
    }
}

/// Reads 32 bytes of hex.
pub fn key_bytes(secret: &Secret) -> Option<[u8; 32]> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(secret.reveal().as_bytes()).ok()?;
    bytes.try_into().ok()
}

fn is_k256_key(secret: &Secret) -> bool {
    key_bytes(secret).is_some_and(|bytes| SigningKey::from_secret(Curve::K256, &bytes).is_ok())
}

fn refuse(section: &mut Section<'_>, key: &str, wanted: &str) {
    let origin = section.origin(key);
    section.fault(key, Some(origin), format!("wanted {wanted} (the value is not shown)"));
}
