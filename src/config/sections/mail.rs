//! `[mail]`: how codes reach people.

use crate::config::parsed::{Parsed, quoted};
use crate::config::reader::Reader;

/// Section `[mail]`.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Where letters go.
    pub delivery: Delivery,
}

/// Where letters go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nowhere: what needs a letter is refused.
    Off,
    /// To standard output, for development.
    Terminal,
}

impl MailConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        Self { delivery: reader.section("mail").or("delivery", Delivery::Off) }
    }
}

impl Parsed for Delivery {
    const WANTED: &'static str = "off or terminal";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "terminal" => Some(Self::Terminal),
            _ => None,
        }
    }
    fn show(&self) -> String {
        quoted(match self {
            Self::Off => "off",
            Self::Terminal => "terminal",
        })
    }
}
