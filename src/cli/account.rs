//! `freehold account` and `freehold invite`: letting people in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::world::Entropy;

use super::code::{Code, ResetLink};
use super::failure::Failure;
use super::people;
use super::print;
use super::running::RunningServer;
use super::serve::runtime;
use super::settings::SettingsArgs;

/// Characters of a generated password: 100 bits, in groups that can be read out.
const PASSWORD_GROUPS: usize = 4;
const PASSWORD_GROUP_CHARACTERS: usize = 5;

const CREATE_INVITE: &str = "com.atproto.server.createInviteCode";
const DISABLE_INVITES: &str = "com.atproto.admin.disableInviteCodes";
const LIST_INVITES: &str = "com.atproto.admin.getInviteCodes";
/// Codes that are asked for at once.
const INVITES_PAGE: &str = "500";
const CREATE_ACCOUNT: &str = "com.atproto.server.createAccount";
const DESCRIBE: &str = "com.atproto.server.describeServer";

/// Make accounts, look after them, and make codes for them.
#[derive(Debug, Subcommand)]
pub(super) enum Account {
    Activate(people::Activate),
    Code(Code),
    Create(CreateAccount),
    Deactivate(people::Deactivate),
    Delete(people::Delete),
    List(people::List),
    ResetLink(ResetLink),
    ResetPassword(people::ResetPassword),
    SetEmail(people::SetEmail),
    SetHandle(people::SetHandle),
    Show(people::Show),
    Suspend(people::Suspend),
    Takedown(people::Takedown),
    Unsuspend(people::Unsuspend),
    Untakedown(people::Untakedown),
}

/// Make an account and print its password.
///
/// Asks the server of these settings, as its administrator, or works on its
/// database while none runs. Everything happens as when somebody signs up in an
/// app: the identity is registered, relays are told. An invite code is made where one is needed. The
/// password is generated, printed once and kept as a hash only; the account's
/// owner changes it after the first login.
#[derive(Debug, Args)]
pub(super) struct CreateAccount {
    /// The full handle, such as alice.pds.example.com.
    handle: String,
    /// The owner's e-mail address.
    email: String,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// Let people sign up.
#[derive(Debug, Subcommand)]
pub(super) enum Invite {
    Create(CreateInvite),
    Disable(DisableInvites),
    List(ListInvites),
}

/// Make an invite code and print it.
///
/// Asks the server of these settings, as its administrator, or works on its
/// database while none runs. Whoever has the code can make an account, once or as often as --uses says.
#[derive(Debug, Args)]
pub(super) struct CreateInvite {
    /// How many accounts may be made with it.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    uses: u32,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// List invite codes, the newest first: who has them, how often they were used.
#[derive(Debug, Args)]
pub(super) struct ListInvites {
    /// Answer in JSON, a line for each.
    #[arg(long)]
    json: bool,
}

/// Disable invite codes, so that nobody signs up with them any more.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct DisableInvites {
    /// The codes.
    codes: Vec<String>,
    /// All codes of this account, by its DID; can be given several times.
    #[arg(long, value_name = "DID")]
    account: Vec<String>,
}

impl Account {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        // Codes are shown in words of their own.
        let online = match self {
            Self::Code(command) => return command.run(settings),
            Self::ResetLink(command) => return command.run(settings),
            other => other,
        };
        runtime()?.block_on(async {
            let server = RunningServer::or_offline(&settings.load()?.config).await?;
            let outcome = online.ask(&server).await;
            server.close().await;
            outcome
        })
    }

    async fn ask(self, server: &RunningServer) -> Result<(), Failure> {
        match self {
            Self::Activate(command) => command.run(server).await,
            Self::Create(command) => command.run(server).await,
            Self::Deactivate(command) => command.run(server).await,
            Self::Delete(command) => command.run(server).await,
            Self::List(command) => command.run(server).await,
            Self::ResetPassword(command) => command.run(server).await,
            Self::SetEmail(command) => command.run(server).await,
            Self::SetHandle(command) => command.run(server).await,
            Self::Show(command) => command.run(server).await,
            Self::Suspend(command) => command.run(server).await,
            Self::Takedown(command) => command.run(server).await,
            Self::Unsuspend(command) => command.run(server).await,
            Self::Untakedown(command) => command.run(server).await,
            Self::Code(_) | Self::ResetLink(_) => Ok(()),
        }
    }
}

impl Invite {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let server = RunningServer::or_offline(&settings.load()?.config).await?;
            let outcome = match self {
                Self::Create(command) => command.run(&server).await,
                Self::Disable(command) => command.run(&server).await,
                Self::List(command) => command.run(&server).await,
            };
            server.close().await;
            outcome
        })
    }
}

impl CreateInvite {
    async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let code = invite_code(server, self.uses).await?;
        print(&match self.json {
            true => format!("{}\n", json!({ "code": code, "uses": self.uses })),
            false => format!("{}\n", code.as_str().unwrap_or_default()),
        })
    }
}

impl DisableInvites {
    async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let input = json!({ "codes": self.codes, "accounts": self.account });
        server.administer(DISABLE_INVITES, &input).await.map(|_| ())
    }
}

impl ListInvites {
    async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let mut cursor: Option<String> = None;
        loop {
            let mut params = vec![("limit", INVITES_PAGE)];
            params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = server.inspect(LIST_INVITES, &params).await?;
            for code in page["codes"].as_array().into_iter().flatten() {
                print(&match self.json {
                    true => format!("{code}\n"),
                    false => invite_line(code),
                })?;
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }
}

fn invite_line(code: &Value) -> String {
    let text = |key: &str| code[key].as_str().unwrap_or_default();
    let used = code["uses"].as_array().map_or(0, Vec::len);
    let left = code["available"].as_u64().unwrap_or_default();
    let disabled = if code["disabled"] == true { "  disabled" } else { "" };
    let (name, owner) = (text("code"), text("forAccount"));
    format!("{name}  for {owner}  used {used} of {left}{disabled}\n")
}

impl CreateAccount {
    async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let password = password(&server.world().entropy);
        let mut input = json!({ "handle": self.handle, "email": self.email, "password": password });
        if server.query(DESCRIBE).await?["inviteCodeRequired"] == true {
            input["inviteCode"] = invite_code(server, 1).await?;
        }
        let created = server.procedure(CREATE_ACCOUNT, &input).await?;
        let text = |key: &str| created[key].as_str().unwrap_or_default();
        if self.json {
            let (handle, did) = (text("handle"), text("did"));
            let said = json!({ "handle": handle, "did": did, "password": password });
            return print(&format!("{said}\n"));
        }
        print(&format!(
            "handle    {}\ndid       {}\npassword  {password}\n",
            text("handle"),
            text("did")
        ))
    }
}

async fn invite_code(server: &RunningServer, uses: u32) -> Result<Value, Failure> {
    let mut created = server.administer(CREATE_INVITE, &json!({ "useCount": uses })).await?;
    Ok(created["code"].take())
}

pub(super) fn password(entropy: &Entropy) -> String {
    let groups = (0..PASSWORD_GROUPS).map(|_| entropy.token_base32(PASSWORD_GROUP_CHARACTERS));
    groups.collect::<Vec<_>>().join("-")
}
