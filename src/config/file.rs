//! Settings from a TOML file.
//!
//! A file is a table of sections, a section a table of scalars and lists; the
//! line of each key is kept for faults. Every syntax error of the file is
//! reported, not the first alone.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::reader::{Fault, Given, Origin, Reader, Setting};

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// As it was named on the command line.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Gives the reader every setting of the file.
pub(super) fn read(file: &ConfigFile, reader: &mut Reader) {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(&file.text, span.start));
        reader.faults.push(Fault {
            key: "syntax".to_owned(),
            origin: Some(origin(&file.path, line)),
            message: format!("not TOML: {}", error.message()),
        });
    }
    for (section, value) in table.get_ref() {
        let line = line_of(&file.text, section.span().start);
        match value.get_ref() {
            DeValue::Table(settings) => read_section(file, section.get_ref(), settings, reader),
            _ => reader.faults.push(Fault {
                key: section.get_ref().to_string(),
                origin: Some(origin(&file.path, line)),
                message: "wanted a section such as [server] around it".to_owned(),
            }),
        }
    }
}

fn read_section(file: &ConfigFile, section: &str, settings: &DeTable<'_>, reader: &mut Reader) {
    for (key, value) in settings {
        let origin = origin(&file.path, line_of(&file.text, key.span().start));
        let full = format!("{section}.{}", key.get_ref());
        match given(value.get_ref()) {
            Some(given) => reader.give(full, Setting { given, origin }),
            None => reader.faults.push(Fault {
                key: full,
                origin: Some(origin),
                message: format!(
                    "wanted a value or a list of values, found a {}",
                    value.get_ref().type_str()
                ),
            }),
        }
    }
}

fn given(value: &DeValue<'_>) -> Option<Given> {
    match value {
        DeValue::Array(items) => items
            .iter()
            .map(|item| scalar(item.get_ref()))
            .collect::<Option<Vec<_>>>()
            .map(Given::Many),
        other => scalar(other).map(Given::One),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn origin(path: &Path, line: usize) -> Origin {
    Origin::File { path: path.to_owned(), line }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
