//! `[log]`: what is told, how, and where to.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use crate::config::parsed::{Parsed, quoted};
use crate::config::reader::Reader;

/// Section `[log]`.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Whether anything is logged.
    pub enabled: bool,
    /// What is logged.
    pub level: Filter,
    /// How a line looks.
    pub format: Format,
    /// Where lines go.
    pub destination: Destination,
}

/// A level, or a filter by module, in tracing's notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(pub String);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Human on a terminal, else JSON.
    Auto,
    /// A line to read.
    Human,
    /// One object a line.
    Json,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// The end of a file.
    File(PathBuf),
}

impl LogConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("log");
        Self {
            enabled: section.or("enabled", true),
            level: section.or("level", Filter("info".to_owned())),
            format: section.or("format", Format::Auto),
            destination: section.or("destination", Destination::Stderr),
        }
    }
}

impl Parsed for Filter {
    const WANTED: &'static str =
        "error, warn, info, debug, trace or off, or a filter such as info,freehold::service=debug";
    fn parse(text: &str) -> Option<Self> {
        EnvFilter::try_new(text).ok().map(|_| Self(text.to_owned()))
    }
    fn show(&self) -> String {
        quoted(&self.0)
    }
}

impl Parsed for Format {
    const WANTED: &'static str = "auto, human or json";
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
    fn show(&self) -> String {
        let name = match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        };
        quoted(name)
    }
}

impl Parsed for Destination {
    const WANTED: &'static str = "stderr, stdout or the path of a file";
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "stderr" | "2" => Self::Stderr,
            "stdout" | "1" => Self::Stdout,
            path => Self::File(path.into()),
        })
    }
    fn show(&self) -> String {
        match self {
            Self::Stderr => quoted("stderr"),
            Self::Stdout => quoted("stdout"),
            Self::File(path) => quoted(&path.to_string_lossy()),
        }
    }
}
