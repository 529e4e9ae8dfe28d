//! `freehold account list`, `show`, and what else an operator does with
//! accounts that are there.
//!
//! All of it goes through the server's own methods, as its administrator, so
//! that events, caches and identities follow; where none runs, through one that
//! the command brings up for itself.

use clap::Args;
use serde_json::{Value, json};

use crate::atproto::syntax::{Did, normalize_handle};
use crate::http::operator::SUSPEND_PATH;

use super::account::password;
use super::failure::Failure;
use super::print;
use super::running::RunningServer;

const GROUP: &str = "com.atproto.admin.";
const GET_STATUS: &str = "com.atproto.sync.getRepoStatus";
/// Accounts that are asked for at once.
const PAGE_ACCOUNTS: u32 = 100;

/// Which account, and how to answer.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The account's handle, DID or e-mail address.
    account: String,
    #[command(flatten)]
    form: Form,
}

/// In which form to answer.
#[derive(Debug, Args)]
pub(super) struct Form {
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// List the accounts of the server, in the order in which they came.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    form: Form,
}

/// Show one account: who it is, how it stands.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    whose: Whose,
}

/// Hide an account from everybody, and log it out everywhere.
///
/// Nothing is deleted, and its owner can still take everything along.
#[derive(Debug, Args)]
pub(super) struct Takedown {
    #[command(flatten)]
    whose: Whose,
    /// What to note beside it, such as the number of a case.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
}

/// Bring an account back that was taken down.
#[derive(Debug, Args)]
pub(super) struct Untakedown {
    #[command(flatten)]
    whose: Whose,
}

/// Switch an account off, as its owner could.
#[derive(Debug, Args)]
pub(super) struct Deactivate {
    #[command(flatten)]
    whose: Whose,
}

/// Switch an account on again.
#[derive(Debug, Args)]
pub(super) struct Activate {
    #[command(flatten)]
    whose: Whose,
}

/// Suspend an account: like a takedown, and meant to end.
///
/// The network is told that it is suspended, so apps can say so.
#[derive(Debug, Args)]
pub(super) struct Suspend {
    #[command(flatten)]
    whose: Whose,
}

/// End the suspension of an account.
#[derive(Debug, Args)]
pub(super) struct Unsuspend {
    #[command(flatten)]
    whose: Whose,
}

/// Delete an account with everything it has, for good.
#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(flatten)]
    whose: Whose,
    /// Really: there is no way back.
    #[arg(long)]
    yes: bool,
}

/// Give an account another handle, a reserved one too.
#[derive(Debug, Args)]
pub(super) struct SetHandle {
    #[command(flatten)]
    whose: Whose,
    /// The new handle.
    handle: String,
}

/// Give an account another e-mail address, which its owner has to confirm.
#[derive(Debug, Args)]
pub(super) struct SetEmail {
    #[command(flatten)]
    whose: Whose,
    /// The new address.
    email: String,
}

/// Give an account a new password, print it, and end all its sessions.
#[derive(Debug, Args)]
pub(super) struct ResetPassword {
    #[command(flatten)]
    whose: Whose,
}

impl List {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let mut cursor = None;
        loop {
            let page = page(server, cursor.as_deref()).await?;
            for account in page["accounts"].as_array().into_iter().flatten() {
                print(&match self.form.json {
                    true => format!("{account}\n"),
                    false => line(account),
                })?;
            }
            match page["cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }
}

impl Show {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.find(server).await?;
        let did = text(&account, "did");
        let params = [("did", did)];
        let status = server.inspect(&method("getSubjectStatus"), &params).await?;
        if self.whose.form.json {
            return print(&format!("{}\n", json!({ "account": account, "status": status })));
        }
        let mut shown = String::new();
        let names = ["handle", "did", "email", "indexedAt", "emailConfirmedAt", "deactivatedAt"];
        for name in names.iter().filter(|name| account[**name].is_string()) {
            shown += &format!("{name:<17} {}\n", text(&account, name));
        }
        let public = server.query(&format!("{GET_STATUS}?did={did}")).await?;
        shown += &format!("{:<17} {}\n", "status", public["status"].as_str().unwrap_or("active"));
        if status["takedown"]["applied"] == true {
            shown += &format!("{:<17} {}\n", "takedown", text(&status["takedown"], "ref"));
        }
        print(&shown)
    }
}

impl Takedown {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let mut takedown = json!({ "applied": true });
        if let Some(reference) = &self.reference {
            takedown["ref"] = json!(reference);
        }
        self.whose.decide(server, "takedown", takedown, "taken down").await
    }
}

impl Untakedown {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        self.whose.decide(server, "takedown", json!({ "applied": false }), "brought back").await
    }
}

impl Deactivate {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let off = json!({ "applied": true });
        self.whose.decide(server, "deactivated", off, "deactivated").await
    }
}

impl Activate {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let on = json!({ "applied": false });
        self.whose.decide(server, "deactivated", on, "activated").await
    }
}

impl Suspend {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.suspend(server, json!(true)).await?;
        self.whose.done(&account, "suspended")
    }
}

impl Unsuspend {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.suspend(server, json!(false)).await?;
        self.whose.done(&account, "no longer suspended")
    }
}

impl Delete {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.find(server).await?;
        if !self.yes {
            let handle = text(&account, "handle");
            let text = format!("this deletes {handle} for good; say --yes if you mean it");
            return Err(Failure::Mistaken(text));
        }
        let input = json!({ "did": account["did"] });
        server.administer(&method("deleteAccount"), &input).await?;
        self.whose.done(&account, "deleted")
    }
}

impl SetHandle {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.find(server).await?;
        let input = json!({ "did": account["did"], "handle": self.handle });
        server.administer(&method("updateAccountHandle"), &input).await?;
        self.whose.done(&account, &format!("now {}", self.handle))
    }
}

impl SetEmail {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.find(server).await?;
        let input = json!({ "account": account["did"], "email": self.email });
        server.administer(&method("updateAccountEmail"), &input).await?;
        self.whose.done(&account, "given a new address")
    }
}

impl ResetPassword {
    pub(super) async fn run(self, server: &RunningServer) -> Result<(), Failure> {
        let account = self.whose.find(server).await?;
        let password = password(&server.world().entropy);
        let input = json!({ "did": account["did"], "password": password });
        server.administer(&method("updateAccountPassword"), &input).await?;
        if self.whose.form.json {
            let (handle, did) = (&account["handle"], &account["did"]);
            let said = json!({ "handle": handle, "did": did, "password": password });
            return print(&format!("{said}\n"));
        }
        print(&format!("password  {password}\n"))
    }
}

impl Whose {
    /// Finds the account that the operator means.
    async fn find(&self, server: &RunningServer) -> Result<Value, Failure> {
        let name = self.account.trim();
        if Did::new(name.to_owned()).is_ok() {
            return server.inspect(&method("getAccountInfo"), &[("did", name)]).await;
        }
        if name.contains('@') && !name.starts_with('@') {
            let params = [("email", name)];
            let mut found = server.inspect(&method("searchAccounts"), &params).await?;
            return known(name, found["accounts"][0].take());
        }
        let handle = normalize_handle(name.trim_start_matches('@'))
            .map_err(|_| Failure::Mistaken(format!("{name} is no handle, DID or address")))?;
        let named = |account: &Value| account["handle"] == handle.as_str();
        let mut cursor = None;
        loop {
            let page = page(server, cursor.as_deref()).await?;
            let found = page["accounts"].as_array().into_iter().flatten().find(|one| named(one));
            match (found, page["cursor"].as_str()) {
                (Some(found), _) => return Ok(found.clone()),
                (None, Some(next)) => cursor = Some(next.to_owned()),
                (None, None) => return known(name, Value::Null),
            }
        }
    }

    /// Changes one attribute of how the account stands.
    async fn decide(
        &self,
        server: &RunningServer,
        attribute: &'static str,
        value: Value,
        done: &str,
    ) -> Result<(), Failure> {
        let account = self.find(server).await?;
        let subject = json!({ "$type": "com.atproto.admin.defs#repoRef", "did": account["did"] });
        let mut input = json!({ "subject": subject });
        input[attribute] = value;
        server.administer(&method("updateSubjectStatus"), &input).await?;
        self.done(&account, done)
    }

    async fn suspend(&self, server: &RunningServer, suspended: Value) -> Result<Value, Failure> {
        let account = self.find(server).await?;
        let input = json!({ "account": account["did"], "suspended": suspended });
        server.operate(SUSPEND_PATH, &input).await?;
        Ok(account)
    }

    fn done(&self, account: &Value, done: &str) -> Result<(), Failure> {
        let (handle, did) = (text(account, "handle"), text(account, "did"));
        print(&match self.form.json {
            true => format!("{}\n", json!({ "handle": handle, "did": did, "outcome": done })),
            false => format!("{handle} ({did}) is {done}\n"),
        })
    }
}

async fn page(server: &RunningServer, cursor: Option<&str>) -> Result<Value, Failure> {
    let limit = PAGE_ACCOUNTS.to_string();
    let mut params = vec![("limit", limit.as_str())];
    params.extend(cursor.map(|cursor| ("cursor", cursor)));
    server.inspect(&method("searchAccounts"), &params).await
}

fn known(name: &str, account: Value) -> Result<Value, Failure> {
    match account.is_object() {
        true => Ok(account),
        false => Err(format!("there is no account {name} here").into()),
    }
}

fn line(account: &Value) -> String {
    let state = if account["deactivatedAt"].is_string() { "  deactivated" } else { "" };
    let (did, handle) = (text(account, "did"), text(account, "handle"));
    format!("{did}  {handle}  {}{state}\n", text(account, "email"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn method(name: &str) -> String {
    format!("{GROUP}{name}")
}
