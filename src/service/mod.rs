//! Floor 3: the verbs of a server, free of HTTP and of SQL.
//!
//! Each service is a struct with the few things it needs, never the whole
//! configuration. [`Services`] holds one of each; the hall builds it and the
//! wire calls it. A service decides policy and knows neither status codes nor
//! wire names of errors.

pub mod accounts;
pub mod app_passwords;
pub mod blobs;
pub mod callers;
pub mod check;
pub mod crawlers;
pub mod devices;
pub mod directory;
pub mod email_tokens;
pub mod export;
pub mod factors;
pub mod grants;
pub mod hosting;
pub mod identity;
pub mod import;
pub mod invites;
pub mod keys;
pub mod lexicons;
pub mod lockouts;
pub mod migration;
pub mod oauth;
pub mod outbox;
pub mod packages;
pub mod passkeys;
pub mod passwords;
pub mod preferences;
pub mod proxy;
pub mod rates;
pub mod recent;
pub mod repos;
pub mod sequencer;
pub mod service_auth;
pub mod service_tokens;
pub mod sessions;
pub mod tasks;

use std::net::IpAddr;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::atproto::syntax::Did;
use crate::store::Store;
use crate::world::World;

use accounts::Accounts;
use app_passwords::AppPasswords;
use blobs::Blobs;
use callers::Callers;
use devices::Devices;
use email_tokens::EmailTokens;
use export::Exports;
use factors::Factors;
use identity::Identity;
use import::Imports;
use invites::Invites;
use keys::AccountKeys;
use lexicons::Lexicons;
use migration::Moves;
use oauth::OAuth;
use outbox::Outbox;
use packages::Packages;
use passkeys::Passkeys;
use preferences::Preferences;
use proxy::Proxy;
use rates::Rates;
use repos::Repos;
use sequencer::Sequencer;
use service_auth::ServiceAuth;
use sessions::Sessions;

/// Every service of this server, shared by all requests behind one `Arc`.
pub struct Services {
    /// What this server is called.
    pub host: Host,
    /// The world outside.
    pub world: World,
    /// What is kept; services write, the wire only reads.
    pub store: Store,
    /// DIDs and handles, here and in the network.
    pub identity: Arc<Identity>,
    /// The accounts' signing keys.
    pub keys: AccountKeys,
    /// Tokens for other services.
    pub service_auth: ServiceAuth,
    /// Calls to other services.
    pub proxy: Proxy,
    /// Repositories: writes and reads.
    pub repos: Arc<Repos>,
    /// Uploads of blobs.
    pub blobs: Blobs,
    /// Repositories that come in whole.
    pub imports: Imports,
    /// The event stream.
    pub sequencer: Sequencer,
    /// Repositories and blocks as archives.
    pub exports: Arc<Exports>,
    /// Everything somebody has, as one archive.
    pub packages: Packages,
    /// Accounts: created, resting, in use.
    pub accounts: Accounts,
    /// Sessions of passwords.
    pub sessions: Arc<Sessions>,
    /// Further passwords with less power.
    pub app_passwords: AppPasswords,
    /// Codes that let somebody in.
    pub invites: Invites,
    /// What clients keep with an account.
    pub preferences: Preferences,
    /// Codes that prove who reads an account's mail.
    pub email_tokens: Arc<EmailTokens>,
    /// Letters that wait to be sent.
    pub outbox: Arc<Outbox>,
    /// Browsers, and who is signed in there.
    pub devices: Devices,
    /// What is shown beside a password.
    pub factors: Arc<Factors>,
    /// Keys in people's devices.
    pub passkeys: Passkeys,
    /// Apps that act for accounts.
    pub oauth: Arc<OAuth>,
    /// Accounts that move in or out by the pages.
    pub moves: Moves,
    /// Lexicons of others.
    pub lexicons: Lexicons,
    /// Who calls.
    pub callers: Callers,
    /// How often somebody may do something.
    pub rates: Rates,
    /// How clients are told apart.
    pub clients: ClientRules,
    /// What this server says about its operator.
    pub about: About,
    /// How its pages look.
    pub look: Look,
    /// How large the things are that clients may send.
    pub uploads: UploadLimits,
}

/// How large the things are that clients may send; the operator's choice.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimits {
    /// Bytes of one blob.
    pub blob_bytes_max: u64,
    /// Bytes of a repository to import.
    pub repository_bytes_max: u64,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self { blob_bytes_max: 5 * 1024 * 1024, repository_bytes_max: u64::MAX }
    }
}

/// How clients are told apart, and which of them are not counted.
#[derive(Debug, Clone, Default)]
pub struct ClientRules {
    /// Reverse proxies of the operator's in front; nothing for one, where the
    /// connection comes from the local network, else none.
    pub trusted_proxies: Option<usize>,
    /// Addresses of clients that are not counted.
    pub uncounted: Vec<IpAddr>,
    /// Whoever knows it is not counted.
    pub bypass_key: Option<Zeroizing<String>>,
}

/// What this server says about its operator.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The operator's address.
    pub contact_email: Option<String>,
    /// What the operator does with people's data.
    pub privacy_policy_url: Option<String>,
    /// On what terms people may be here.
    pub terms_of_service_url: Option<String>,
}

/// How the pages of this server look; the operator's choice.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What the server is called.
    pub name: String,
    /// The colour of buttons and links: red, green, blue.
    pub color: Option<[u8; 3]>,
    /// A picture beside the name.
    pub logo: Option<Logo>,
    /// Where people find help.
    pub support_url: Option<String>,
}

/// A picture that stands for the server.
#[derive(Debug, Clone)]
pub struct Logo {
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// What they are.
    pub media_type: String,
}

/// What this server is called, inside and outside.
#[derive(Debug, Clone)]
pub struct Host {
    /// Origin under which clients reach the server, without a slash at the
    /// end: `https://pds.example.com`.
    pub public_url: String,
    /// Host name of [`Host::public_url`], without a port.
    pub hostname: String,
    /// The server's own identity: audience of sessions and of service tokens.
    pub service_did: Did,
    /// Suffixes under which accounts may take a handle, each with its leading
    /// dot: `.pds.example.com`.
    pub handle_domains: Vec<String>,
}
