//! `freehold migrate`: an account moves in, or out, whole.
//!
//! The steps are those of `service::migration`; here are the questions, the bar
//! and the words of the terminal. The only thing done as the administrator is to
//! make the invite code of somebody who moves in.

mod progress;
mod prompt;

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use url::Url;

use super::failure::Failure;
use super::print;
use super::running::RunningServer;
use super::serve::runtime;
use super::settings::SettingsArgs;
use crate::config::Config;
use crate::service::migration::{
    Directory, Far, Holdings, Invite, Login, Move, MoveError, Plan, Side, Standing, Tally, Wishes,
};
use crate::world::crash;
use progress::Terminal;

const CREATE_INVITE: &str = "com.atproto.server.createInviteCode";

/// Move an account in or out, with everything it has.
///
/// Runs on the server's machine while the server runs. Repository, blobs and
/// preferences are copied and compared; then the identity is pointed at the new
/// server, which cannot be taken back by this command, so it asks first; then
/// the new account is activated and the old one deactivated. Killed or stopped
/// anywhere, it is run again and goes on: both servers know how far it was.
///
/// Sessions and app passwords are secrets of the old server and do not move.
#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    In(MoveIn),
    Out(MoveOut),
}

/// Bring an account from another server to this one.
#[derive(Debug, Args)]
pub(super) struct MoveIn {
    /// The server it lives on, such as https://old.example.
    #[arg(long, value_name = "URL")]
    from: Url,
    #[command(flatten)]
    moving: Moving,
}

/// Take an account of this server to another one.
#[derive(Debug, Args)]
pub(super) struct MoveOut {
    /// The server it moves to, such as https://new.example.
    #[arg(long, value_name = "URL")]
    to: Url,
    /// An invite code of that server, where it wants one.
    #[arg(long, value_name = "CODE")]
    invite: Option<String>,
    #[command(flatten)]
    moving: Moving,
}

#[derive(Debug, Args)]
struct Moving {
    /// The account's handle, or its DID.
    #[arg(long)]
    handle: String,
    /// The handle afterwards; without it, an own domain stays, and a handle of
    /// the old server becomes the same name under the new one.
    #[arg(long, value_name = "HANDLE")]
    new_handle: Option<String>,
    /// The e-mail address afterwards; without it, the same.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Say what would happen, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Pass the point of no return without being asked.
    #[arg(long)]
    yes: bool,
    /// The account's password at the old server; asked for if it is not given.
    #[arg(long, hide = true, env = "FREEHOLD_MIGRATE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// The password at the new server; without it, the same.
    #[arg(long, hide = true, env = "FREEHOLD_MIGRATE_NEW_PASSWORD", hide_env_values = true)]
    new_password: Option<String>,
}

/// Where an invite code comes from.
enum Door<'a> {
    /// This server makes one.
    Own(&'a RunningServer),
    /// The person brings one.
    Theirs(Option<String>),
}

impl Migrate {
    pub(super) fn run(self, settings: &SettingsArgs) -> Result<(), Failure> {
        let config = settings.load()?.config;
        let server = RunningServer::of(&config)?;
        let world = server.world().clone();
        let watcher = Arc::new(Terminal::default());
        let side = |name: &str, origin: &Url| {
            let carrier = Far::trusted(origin.clone(), world.clone());
            Side::new(name.to_owned(), carrier, world.clock.clone(), watcher.clone())
        };
        let here = side(&config.server.public_url, server.origin());
        let there = |url: &Url| side(url.as_str().trim_end_matches('/'), url);
        match self {
            Self::In(command) => {
                let (old, watcher) = (there(&command.from), watcher.clone());
                let journey = Move { old, new: here, watcher };
                runtime()?.block_on(command.moving.run(&config, journey, Door::Own(&server)))
            }
            Self::Out(command) => {
                let (new, watcher) = (there(&command.to), watcher.clone());
                let journey = Move { old: here, new, watcher };
                let door = Door::Theirs(command.invite);
                runtime()?.block_on(command.moving.run(&config, journey, door))
            }
        }
    }
}

impl Moving {
    async fn run(self, config: &Config, journey: Move, door: Door<'_>) -> Result<(), Failure> {
        let old_password = match &self.password {
            Some(password) => password.clone(),
            None => {
                prompt::ask_secret(&format!("Password of {} at {}", self.handle, journey.old.name))?
            }
        };
        let opened = journey.old.log_in(&Login::of(&self.handle, &old_password)).await?;
        let wishes =
            Wishes { new_handle: self.new_handle.as_deref(), email: self.email.as_deref() };
        let plan = Plan::make(&journey.old, &journey.new, &opened, &wishes).await;
        let plan = plan.map_err(with_option)?;
        print(&describe(&plan, &journey))?;
        if self.dry_run {
            return print("Nothing was done: this was a dry run.\n");
        }
        let new_password = self.new_password.as_ref().unwrap_or(&old_password);
        if !journey.arrived(&plan.did, new_password).await? {
            let invite = door.invite(&plan).await?;
            journey.enrol(&plan, new_password, invite).await?;
            crash::point("migrate: the account is made");
        }
        self.pass(config, &journey, &plan).await
    }

    /// Everything from the first copy to the proof at the end. What was done by
    /// an earlier run is looked at and not done again.
    async fn pass(&self, config: &Config, journey: &Move, plan: &Plan) -> Result<(), Failure> {
        let standing = journey.standing().await?;
        if standing == Standing::Arriving {
            eprintln!("Copying.");
            let (there, here) = journey.copy(plan).await?;
            crash::point("migrate: everything is copied");
            print(&beside(&there, &here))?;
            if there.records != here.records || there.preferences != here.preferences {
                return Err("the two sides differ; nothing is final yet: run it again".into());
            }
            if !journey.leads_there().await? {
                self.point_of_no_return(config, journey, plan).await?;
            }
        }
        journey.change_over(standing).await?;
        let (there, here) = journey.holdings(&plan.did).await?;
        print(&beside(&there, &here))?;
        let new = &journey.new.name;
        print(&format!("{} lives at {new} now, as {}.\n", plan.did, plan.new_handle))?;
        // An account that has lived there since then has more by now.
        match there == here || standing == Standing::Active {
            true => Ok(()),
            false => Err("the account has moved, and the two sides differ as shown above; \
                          the old server still has everything"
                .into()),
        }
    }

    async fn point_of_no_return(
        &self,
        config: &Config,
        journey: &Move,
        plan: &Plan,
    ) -> Result<(), Failure> {
        if plan.did.starts_with("did:web:") {
            let document = journey.document_to_write(&plan.did).await?;
            print(&format!("Change these parts of the document of {}:\n{document}\n", plan.did))?;
            return Err("this identity is a document of yours: change it as printed, then run \
                        this again"
                .into());
        }
        if !self.yes {
            eprintln!(
                "Everything is copied, and nothing is final. The next step points the identity \
                 at {}; only that server, or a rotation key of your own, can change it again.",
                journey.new.name
            );
            let answer = prompt::ask(&format!("Type {} to go on", plan.old_handle))?;
            if answer != plan.old_handle {
                return Err("stopped before the point of no return; run it again to go on".into());
            }
        }
        journey.ask_for_code().await?;
        crash::point("migrate: the code was asked for");
        let code = prompt::ask(&format!("The code that {} has mailed you", journey.old.name))?;
        let world = crate::app::world(config);
        let directory = Directory { http: &world.http, url: &config.identity.plc_url };
        Ok(journey.change_identity(&plan.did, &code, &directory).await?)
    }
}

impl Door<'_> {
    async fn invite(self, plan: &Plan) -> Result<Option<String>, Failure> {
        match (plan.invite, self) {
            (Invite::NotWanted, _) => Ok(None),
            (Invite::Wanted, Self::Own(server)) => {
                let created = server.administer(CREATE_INVITE, &json!({ "useCount": 1 })).await?;
                let code = created["code"].as_str().ok_or("the server made no invite code")?;
                Ok(Some(code.to_owned()))
            }
            (Invite::Wanted, Self::Theirs(Some(code))) => Ok(Some(code)),
            (Invite::Wanted, Self::Theirs(None)) => {
                Err("that server wants an invite code: give it with --invite".into())
            }
        }
    }
}

/// Names the option that helps.
fn with_option(error: MoveError) -> Failure {
    match error {
        MoveError::HandleNeeded => format!("{error} with --new-handle").into(),
        MoveError::EmailNeeded => format!("{error} with --email").into(),
        error => error.into(),
    }
}

/// Says what the move is, to the person who is about to do it.
fn describe(plan: &Plan, journey: &Move) -> String {
    let Plan { did, old_handle, new_handle, records, blobs, preferences, .. } = plan;
    let invite = match plan.invite {
        Invite::Wanted => "wanted",
        Invite::NotWanted => "not wanted",
    };
    format!(
        "{did}\n  from    {} as {old_handle}\n  to      {} as {new_handle}\n  \
         holds   {records} records, {blobs} blobs, {preferences} preferences\n  \
         invite  {invite}\n",
        journey.old.name, journey.new.name,
    )
}

/// The lines of a table: what one side holds and the other, and whether they
/// agree.
fn beside(old: &Holdings, new: &Holdings) -> String {
    let row = |(what, old, new): (&str, &Tally, &Tally)| {
        let verdict = if old == new { "equal" } else { "DIFFERENT" };
        format!("  {what:<12} old {old}   new {new}   {verdict}\n")
    };
    let rows = [
        ("records", &old.records, &new.records),
        ("blobs", &old.blobs, &new.blobs),
        ("preferences", &old.preferences, &new.preferences),
    ];
    rows.into_iter().map(row).collect()
}
