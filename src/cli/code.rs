//! `freehold account reset-link` and `freehold account code`: codes that the
//! operator hands over, where no mail does.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::Config;
use crate::http::operator::{CODE_PATH, Made};
use crate::service::email_tokens::Purpose;

use super::failure::Failure;
use super::print;
use super::running::RunningServer;
use super::serve::runtime;
use super::settings::SettingsArgs;

/// Print a code with which somebody sets a new password.
///
/// Works without mail, with the running server of these settings or on its
/// database while no server runs. The code is good for 15 minutes and once; a
/// code that was there before is void. Hand it only to whoever you know to own
/// the account: with it one takes the account over.
#[derive(Debug, Args)]
pub(super) struct ResetLink {
    /// The account's handle, DID or e-mail address.
    account: String,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// Print a code for what an account would otherwise be mailed a code for.
///
/// As reset-link, for every purpose.
#[derive(Debug, Args)]
pub(super) struct Code {
    /// The account's handle, DID or e-mail address.
    account: String,
    /// What the code permits.
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: PurposeArg,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeArg {
    ConfirmEmail,
    UpdateEmail,
    ResetPassword,
    DeleteAccount,
    PlcOperation,
}

impl PurposeArg {
    fn purpose(self) -> Purpose {
        match self {
            Self::ConfirmEmail => Purpose::ConfirmEmail,
            Self::UpdateEmail => Purpose::UpdateEmail,
            Self::ResetPassword => Purpose::ResetPassword,
            Self::DeleteAccount => Purpose::DeleteAccount,
            Self::PlcOperation => Purpose::PlcOperation,
        }
    }
}

impl ResetLink {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let config = settings.load()?.config;
        let made = runtime()?.block_on(made(&config, &self.account, Purpose::ResetPassword))?;
        if self.json {
            return print(&format!("{}\n", serde_json::to_string(&made)?));
        }
        let url = &config.server.public_url;
        print(&format!(
            "{}\nIn the app, on the page where one signs in: choose {url} as the server, then\n\
             \"Forgot password\", then that there is a code already, and enter it there.\n",
            shown(&made)
        ))
    }
}

impl Code {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let config = settings.load()?.config;
        let made = runtime()?.block_on(made(&config, &self.account, self.purpose.purpose()))?;
        print(&match self.json {
            true => format!("{}\n", serde_json::to_string(&made)?),
            false => shown(&made),
        })
    }
}

fn shown(made: &Made) -> String {
    let Made { handle, did, code } = made;
    format!("handle  {}\ndid     {}\ncode    {code}\n", handle.as_str(), did.as_str())
}

async fn made(config: &Config, account: &str, purpose: Purpose) -> Result<Made, Failure> {
    let server = RunningServer::or_offline(config).await?;
    let wanted = json!({ "account": account, "purpose": purpose.name() });
    let made = server.operate(CODE_PATH, &wanted).await;
    server.close().await;
    Ok(serde_json::from_value(made?)?)
}
