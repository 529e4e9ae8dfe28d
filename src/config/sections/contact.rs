//! `[contact]`: who runs this server, as describeServer says it.

use url::Url;

use crate::config::reader::Reader;

/// Section `[contact]`.
#[derive(Clone, Debug, Default)]
pub struct ContactConfig {
    /// Its privacy policy.
    pub privacy_policy_url: Option<Url>,
    /// Its terms.
    pub terms_of_service_url: Option<Url>,
    /// The operator's address.
    pub email: Option<String>,
}

impl ContactConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("contact");
        Self {
            privacy_policy_url: section.optional("privacy_policy_url"),
            terms_of_service_url: section.optional("terms_of_service_url"),
            email: section.optional("email"),
        }
    }
}
