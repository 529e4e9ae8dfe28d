//! The configuration: from a file and the environment to checked values.
//!
//! Three sources, the later one wins: the TOML file, the official server's
//! `PDS_*` variables, our own `FREEHOLD_*` variables. [`Config::load`] reports
//! every fault at once, each with its key, where it stands and what is wanted;
//! secrets are never printed. Nothing here reads the process environment or
//! opens the file of settings: the command line hands both in, so a test can
//! write them down. (Files that hold a secret are the exception.)
//!
//! `config/freehold.toml` lists every setting with its default and reason; a
//! test holds it to the code.

mod environment;
mod file;
pub mod keyring;
mod official;
mod parsed;
mod reader;
mod secret;
mod sections;
mod show;
#[cfg(test)]
mod tests;

pub use environment::Variables;
pub use file::ConfigFile;
pub use official::Mode;
pub use parsed::{HandleDomain, Hostname};
pub use reader::{Fault, Origin};
pub use secret::Secret;
pub use sections::accounts::AccountsConfig;
pub use sections::blobs::BlobsConfig;
pub use sections::branding::BrandingConfig;
pub use sections::contact::ContactConfig;
pub use sections::database::Database;
pub use sections::identity::IdentityConfig;
pub use sections::limits::LimitsConfig;
pub use sections::log::{Destination, Filter, Format, LogConfig};
pub use sections::mail::MailConfig;
pub use sections::memory::MemoryConfig;
pub use sections::oauth::OAuthConfig;
pub use sections::outbound::OutboundConfig;
pub use sections::proxy::ProxyConfig;
pub use sections::secrets::SecretsConfig;
pub use sections::server::ServerConfig;
pub use sections::services::{ServiceAddress, ServicesConfig};
pub use sections::sync::SyncConfig;

use reader::Reader;
use sections::services::OwnDefaults;

/// Settings that `..._file` and `PDS_..._FILE` may give through a file.
const SECRET_KEYS: [&str; 8] = [
    "limits.bypass_key",
    "mail.smtp_url",
    "mail.smtp_password",
    "mail.moderation_smtp_url",
    "secrets.jwt_secret",
    "secrets.admin_password",
    "secrets.plc_rotation_key",
    "secrets.master_key",
];

/// Every setting of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this server is called, where it listens.
    pub server: ServerConfig,
    /// Who runs it.
    pub contact: ContactConfig,
    /// How its pages look.
    pub branding: BrandingConfig,
    /// Which engine keeps everything but blobs.
    pub database: Database,
    /// Where blobs are kept.
    pub blobs: BlobsConfig,
    /// Who may come.
    pub accounts: AccountsConfig,
    /// DIDs and handles.
    pub identity: IdentityConfig,
    /// What only this server may know.
    pub secrets: SecretsConfig,
    /// How codes reach people.
    pub mail: MailConfig,
    /// Servers that answer what this one does not.
    pub services: ServicesConfig,
    /// The event stream and its relays.
    pub sync: SyncConfig,
    /// Requests outward.
    pub outbound: OutboundConfig,
    /// Requests counted.
    pub limits: LimitsConfig,
    /// `[memory]`
    pub memory: MemoryConfig,
    /// Apps that act for accounts.
    pub oauth: OAuthConfig,
    /// Requests handed on.
    pub proxy: ProxyConfig,
    /// What is told.
    pub log: LogConfig,
    /// Whether this is an official installation's environment.
    pub mode: Mode,
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, where there is one.
    pub file: Option<ConfigFile>,
    /// The process environment.
    pub variables: Variables,
}

/// A configuration without faults.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its values.
    pub config: Config,
    /// What was found and has no effect; sentences.
    pub warnings: Vec<String>,
    /// The effective settings as TOML with origins, without secrets.
    pub shown: String,
}

/// A configuration that cannot be used, and every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} fault(s):\n{}", faults.len(), lines(faults))]
pub struct Faulty {
    /// In the order of the sections.
    pub faults: Vec<Fault>,
    /// What was found and has no effect; sentences.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// [`Faulty`] names everything that is wrong, not the first thing alone.
    pub fn load(sources: &Sources) -> Result<Loaded, Faulty> {
        let mut reader = Reader::default();
        let mut warnings = Vec::new();
        if let Some(file) = &sources.file {
            file::read(file, &mut reader);
        }
        let mode = official::read(&sources.variables, &mut reader, &mut warnings);
        environment::read(&sources.variables, &mut reader);
        let config = Self::read(&mut reader, mode);
        judge_unread(&mut reader, &mut warnings);
        match reader.faults.is_empty() {
            true => Ok(Loaded { config, warnings, shown: show::toml(&reader) }),
            false => Err(Faulty { faults: reader.faults, warnings }),
        }
    }

    fn read(reader: &mut Reader, mode: Mode) -> Self {
        let own_defaults = match mode {
            Mode::Own => OwnDefaults::Hold,
            Mode::Official => OwnDefaults::Yield,
        };
        let server = ServerConfig::read(reader);
        Self {
            contact: ContactConfig::read(reader),
            branding: BrandingConfig::read(reader),
            database: Database::read(reader, &server.data_directory),
            blobs: BlobsConfig::read(reader, &server.data_directory, mode),
            accounts: AccountsConfig::read(reader),
            identity: IdentityConfig::read(reader, &server.hostname),
            secrets: SecretsConfig::read(reader, mode),
            mail: MailConfig::read(reader, &server),
            services: ServicesConfig::read(reader, &server, own_defaults),
            sync: SyncConfig::read(reader, &server, own_defaults),
            outbound: OutboundConfig::read(reader, &server),
            limits: LimitsConfig::read(reader, &server),
            memory: MemoryConfig::read(reader),
            oauth: OAuthConfig::read(reader),
            proxy: ProxyConfig::read(reader),
            log: LogConfig::read(reader),
            mode,
            server,
        }
    }
}

/// Names settings that nobody asked for: in the file a misspelt key is a
/// fault; the environment is shared with others, so there it is a warning.
fn judge_unread(reader: &mut Reader, warnings: &mut Vec<String>) {
    for (key, origin) in reader.unread() {
        let nearest = show::nearest(&key, reader.known_keys());
        let hint = nearest.map_or(String::new(), |near| format!("; did you mean {near}?"));
        match origin {
            Origin::Variable(name) => {
                warnings.push(format!("{name} names no setting ({key}) and has no effect{hint}"));
            }
            origin => reader.faults.push(Fault {
                message: format!("there is no such setting{hint}"),
                origin: Some(origin),
                key,
            }),
        }
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}
