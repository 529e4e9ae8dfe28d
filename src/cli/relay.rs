//! `freehold relay`: asking relays to come.

use clap::{Args, Subcommand};
use serde_json::json;
use url::Url;

use crate::app;
use crate::service::crawlers::Crawlers;

use super::failure::Failure;
use super::print;
use super::serve::runtime;
use super::settings::SettingsArgs;

/// Talk to relays.
#[derive(Debug, Subcommand)]
pub(super) enum Relay {
    RequestCrawl(RequestCrawl),
}

/// Ask relays to read this server, and print what they say.
///
/// A running server does so by itself when there is something new; this is for
/// relays that have forgotten it, or that are not in the settings. It asks them
/// from here, whether or not a server runs; the relay then connects to the host
/// name of these settings.
#[derive(Debug, Args)]
pub(super) struct RequestCrawl {
    /// A relay, such as bsky.network; those of the settings if left out.
    host: Option<String>,
    /// Print a line of JSON for each relay.
    #[arg(long)]
    json: bool,
}

impl Relay {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let Self::RequestCrawl(command) = self;
        let config = settings.load()?.config;
        let relays = match &command.host {
            Some(host) => vec![relay(host)?],
            None => config.sync.crawlers.clone(),
        };
        if relays.is_empty() {
            return Err(Failure::Mistaken("the settings name no relay: name one here".to_owned()));
        }
        let world = app::world(&config);
        let hostname = config.server.hostname.clone();
        let crawlers = Crawlers::new(hostname, relays, world.http, world.clock);
        let mut failed = false;
        for (relay, refusal) in runtime()?.block_on(crawlers.ask_all()) {
            if command.json {
                let error = refusal.as_ref().map(ToString::to_string);
                let line =
                    json!({ "relay": relay.to_string(), "asked": error.is_none(), "error": error });
                print(&format!("{line}\n"))?;
                failed |= error.is_some();
                continue;
            }
            match refusal {
                None => print(&format!("{relay}  will read {}\n", config.server.hostname))?,
                Some(error) => {
                    failed = true;
                    eprintln!("freehold: {relay}: {error}");
                }
            }
        }
        match failed {
            false => Ok(()),
            true => Err("not every relay could be asked".into()),
        }
    }
}

fn relay(host: &str) -> Result<Url, Failure> {
    let address = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
    let mistaken = |_| Failure::Mistaken(format!("{host} is neither a host name nor a URL"));
    let url = Url::parse(&address).map_err(mistaken)?;
    match (url.scheme(), url.has_host()) {
        ("http" | "https", true) => Ok(url),
        _ => Err(Failure::Mistaken(format!("{host} is not a relay's address"))),
    }
}
