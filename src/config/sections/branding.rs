//! `[branding]`: how the pages of this server look.

use std::path::PathBuf;

use url::Url;

use crate::config::parsed::HexColor;
use crate::config::reader::Reader;

/// Section `[branding]`.
#[derive(Clone, Debug, Default)]
pub struct BrandingConfig {
    /// What the server is called; its host name, if nothing is said.
    pub name: Option<String>,
    /// The colour of buttons and links.
    pub color: Option<HexColor>,
    /// A picture: PNG, JPEG, WebP or SVG.
    pub logo_file: Option<PathBuf>,
    /// Where people find help.
    pub support_url: Option<Url>,
}

impl BrandingConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("branding");
        Self {
            name: section.optional("name"),
            color: section.optional("color"),
            logo_file: section.optional("logo_file"),
            support_url: section.optional("support_url"),
        }
    }
}
