//! Commands that do the same with one account or with all of them.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::config::Config;
use crate::http::operator::{ANNOUNCE_PATH, Outcome, ROTATE_KEY_PATH};

use super::failure::Failure;
use super::print;
use super::running::RunningServer;

const LIST_REPOS: &str = "com.atproto.sync.listRepos";
/// Accounts that are listed at once.
const PAGE: u32 = 1_000;

/// Names one account, or all of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The account's DID, handle or e-mail address.
    account: Option<String>,
    /// Every account of this server.
    #[arg(long)]
    all: bool,
}

/// What is to be done with an account.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Announce,
    RotateKey,
}

/// What became of one account.
#[derive(Serialize)]
struct Line<'a> {
    account: &'a str,
    #[serde(flatten)]
    outcome: Option<&'a Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Does the deed with each account, says what became of it, and goes on where
/// one fails.
pub(super) async fn each(
    config: &Config,
    which: &Which,
    deed: Deed,
    show: impl Fn(&str, &Outcome) -> String,
    json: bool,
) -> Result<(), Failure> {
    let server = RunningServer::or_offline(config).await?;
    let failed = with_each(&server, which, deed, show, json).await;
    server.close().await;
    match failed? {
        0 => Ok(()),
        1 => Err("it failed for one account".into()),
        failed => Err(format!("it failed for {failed} accounts").into()),
    }
}

/// Returns for how many accounts it failed.
async fn with_each(
    server: &RunningServer,
    which: &Which,
    deed: Deed,
    show: impl Fn(&str, &Outcome) -> String,
    json: bool,
) -> Result<u32, Failure> {
    let mut failed = 0_u32;
    for account in which.accounts(server).await? {
        let outcome = deed.done(server, &account).await;
        if json {
            let error = outcome.as_ref().err().map(Failure::text);
            let outcome = outcome.as_ref().ok();
            let line = Line { account: &account, outcome, error };
            print(&format!("{}\n", serde_json::to_string(&line)?))?;
        }
        match outcome {
            Ok(outcome) if !json => print(&show(&account, &outcome))?,
            Ok(_) => {}
            Err(error) => {
                failed += 1;
                eprintln!("freehold: {account}: {}", error.text());
            }
        }
    }
    Ok(failed)
}

impl Deed {
    async fn done(self, server: &RunningServer, account: &str) -> Result<Outcome, Failure> {
        let path = match self {
            Self::Announce => ANNOUNCE_PATH,
            Self::RotateKey => ROTATE_KEY_PATH,
        };
        let outcome = server.operate(path, &json!({ "account": account })).await?;
        Ok(serde_json::from_value(outcome)?)
    }
}

impl Which {
    async fn accounts(&self, server: &RunningServer) -> Result<Vec<String>, Failure> {
        match &self.account {
            Some(account) => Ok(vec![account.clone()]),
            None => listed(server).await,
        }
    }
}

async fn listed(server: &RunningServer) -> Result<Vec<String>, Failure> {
    let mut dids = Vec::new();
    let mut query = format!("{LIST_REPOS}?limit={PAGE}");
    loop {
        let page = server.query(&query).await?;
        let repos = page["repos"].as_array().map(Vec::as_slice).unwrap_or_default();
        dids.extend(repos.iter().filter_map(|repo| repo["did"].as_str()).map(str::to_owned));
        match page["cursor"].as_str() {
            Some(cursor) => query = format!("{LIST_REPOS}?limit={PAGE}&cursor={cursor}"),
            None => return Ok(dids),
        }
    }
}
