//! Starts the log: lines for people on a terminal, JSON for machines.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{Destination, Format, LogConfig};

use super::failure::Failure;

/// Installs the log of this process.
///
/// Dependencies speak from `warn` on, unless the filter names them.
pub(super) fn start(config: &LogConfig) -> Result<(), Failure> {
    if !config.enabled {
        return Ok(());
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "Something broke down: {}.", panic.payload_as_str().unwrap_or(""));
    }));
    let filter = EnvFilter::try_new(directives(&config.level.0))?;
    let (writer, is_terminal) = writer(&config.destination)?;
    let human = match config.format {
        Format::Human => true,
        Format::Json => false,
        Format::Auto => is_terminal,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if human {
        subscriber.with_ansi(is_terminal).with_target(false).try_init()?;
    } else {
        subscriber
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()?;
    }
    Ok(())
}

/// A plain level is ours; the libraries beneath speak only of trouble.
fn directives(level: &str) -> String {
    match level.parse::<tracing::Level>() {
        Ok(level) if level > tracing::Level::WARN => format!("warn,freehold={level}"),
        _ => level.to_owned(),
    }
}

fn writer(destination: &Destination) -> Result<(BoxMakeWriter, bool), Failure> {
    Ok(match destination {
        Destination::Stderr => (BoxMakeWriter::new(io::stderr), io::stderr().is_terminal()),
        Destination::Stdout => (BoxMakeWriter::new(io::stdout), io::stdout().is_terminal()),
        Destination::File(path) => {
            let open = OpenOptions::new().create(true).append(true).open(path);
            let file = open.map_err(|error| {
                Failure::Mistaken(format!("cannot write the log to {}: {error}", path.display()))
            })?;
            (BoxMakeWriter::new(file), false)
        }
    })
}
