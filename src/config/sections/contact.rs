//! `[contact]`: who runs this server, for describeServer and its pages.

use url::Url;

use crate::config::reader::Reader;

/// Section `[contact]`.
#[derive(Clone, Debug, Default)]
pub struct ContactConfig {
    /// Where the operator presents the server.
    pub home_url: Option<Url>,
    /// Its picture.
    pub logo_url: Option<Url>,
    /// Its privacy policy.
    pub privacy_policy_url: Option<Url>,
    /// Where people get help.
    pub support_url: Option<Url>,
    /// Its terms.
    pub terms_of_service_url: Option<Url>,
    /// The operator's address.
    pub email: Option<String>,
}

impl ContactConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("contact");
        Self {
            home_url: section.optional("home_url"),
            logo_url: section.optional("logo_url"),
            privacy_policy_url: section.optional("privacy_policy_url"),
            support_url: section.optional("support_url"),
            terms_of_service_url: section.optional("terms_of_service_url"),
            email: section.optional("email"),
        }
    }
}
