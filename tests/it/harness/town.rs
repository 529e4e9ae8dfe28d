//! The town: a server in this process, on a world that stands still.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::Path;

use freehold::app::Server;
use freehold::config::{Config, Database, Sources};
use freehold::dev::DirectoryServer;
use freehold::service::check::{self, Depth, Report};
use freehold::service::directory::Rates;
use freehold::store::{BlobBytes, Db, Store};
use freehold::world::World;
use tempfile::TempDir;

use super::postgres::TestDatabase;
use super::{Client, Engine, Owner};

/// What the town's server is called.
pub const HOSTNAME: &str = "pds.test";
/// What the directory is called.
pub const DIRECTORY: &str = "plc.test";
/// Its administrator's password.
pub const ADMIN_PASSWORD: &str = "the mayor's password";

/// A server of its own, and everything around it.
pub struct Town {
    /// The world it lives in: its clock, its dice, its network, its mail.
    pub world: World,
    server: Option<Server>,
    directory: Option<DirectoryServer>,
    variables: Vec<(String, String)>,
    /// The story has damaged the store on purpose.
    damaged: bool,
    folder: TempDir,
    /// Goes when the server and its folder have gone.
    _database: Option<TestDatabase>,
}

impl Town {
    /// Runs a test's story in a new town and checks in the end what it left.
    pub fn run(engine: Engine, story: impl AsyncFnOnce(&mut Self)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        runtime.block_on(async {
            let mut town = Self::found(engine).await;
            story(&mut town).await;
            town.close().await;
        });
    }

    /// Starts a server with nobody in it.
    async fn found(engine: Engine) -> Self {
        let world = World::fake(seed());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = engine.database();
        let mut variables = variables(folder.path());
        if let Some(database) = &database {
            variables.push(("FREEHOLD_DATABASE_URL".to_owned(), database.url()));
        }
        let directory = Some(directory(&world, folder.path()).await);
        let mut town = Self {
            world,
            server: None,
            directory,
            variables,
            damaged: false,
            folder,
            _database: database,
        };
        town.start().await;
        town
    }

    /// Starts the server anew with further settings, as `FREEHOLD_*` variables.
    pub async fn restart_with(&mut self, settings: &[(&str, &str)]) {
        self.stop().await;
        for (name, value) in settings {
            self.variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.start().await;
    }

    /// Stops the server as a signal would and starts it anew.
    pub async fn restart(&mut self) {
        self.restart_with(&[]).await;
    }

    /// Stops the server as a signal would.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Starts the server.
    pub async fn start(&mut self) {
        let sources = Sources { file: None, variables: self.variables.clone() };
        let loaded = Config::load(&sources).expect("the town's settings are right");
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let server = Server::start(&loaded.config, self.world.clone()).await;
        let server = server.expect("the town's server starts");
        self.world.http.route(HOSTNAME, server.address());
        self.server = Some(server);
    }

    /// Returns the running server.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    /// Returns where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.server().address()
    }

    /// Returns somebody without an account.
    pub fn visitor(&self) -> Client {
        Client::new(self.address())
    }

    /// Returns the administrator.
    pub fn admin(&self) -> Client {
        use base64_of_basic as basic;
        self.visitor().with_header("authorization", &basic("admin", ADMIN_PASSWORD))
    }

    /// Returns the folder with the server's data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the did:plc directory.
    pub fn directory(&self) -> &DirectoryServer {
        self.directory.as_ref().expect("the directory runs until the end")
    }

    /// Checks whether what the store holds holds together, to the last byte;
    /// also beside the running server.
    pub async fn check(&self) -> Report {
        let config = self.config();
        let db = Db::open_to_read(freehold::app::database(&config)).await;
        let blobs = BlobBytes::disk_to_read(config.blobs.directory.clone()).await;
        let store = Store { db: db.expect("it opens"), blobs: blobs.expect("it opens") };
        let report = check::run(&store, self.world.clock.now(), Depth::Deep).await;
        store.db.close().await;
        report.expect("everything can be read")
    }

    /// Runs SQL on the database of the stopped server, behind the store's back;
    /// the story ends without the check of what it left.
    pub async fn damage(&mut self, sql: &str) {
        self.stop().await;
        self.damaged = true;
        if let Some(database) = &self._database {
            use sqlx::ConnectOptions;
            let options: sqlx::postgres::PgConnectOptions = database.url().parse().expect("a URL");
            let mut connection = options.connect().await.expect("Postgres answers");
            let sql = sqlx::AssertSqlSafe(sql.to_owned());
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("it is SQL");
            return;
        }
        let Database::Sqlite { path } = &self.config().database else { unreachable!("no other") };
        let connection = rusqlite::Connection::open(path).expect("the file opens");
        connection.execute_batch(sql).expect("it is SQL");
    }

    fn config(&self) -> Config {
        let sources = Sources { file: None, variables: self.variables.clone() };
        Config::load(&sources).expect("the town's settings are right").config
    }

    async fn close(mut self) {
        self.stop().await;
        if !self.damaged {
            let report = self.check().await;
            assert!(report.is_clean(), "{report}");
        }
        if let Some(directory) = self.directory.take() {
            directory.stop().await;
        }
    }
}

/// Another server in the same world, to move from and to: on SQLite, with a
/// database of its own.
pub struct Neighbour {
    server: Server,
    name: String,
    _folder: TempDir,
}

impl Town {
    /// Starts another server under a host name.
    pub async fn neighbour(&self, name: &str) -> Neighbour {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut variables = variables(folder.path());
        variables.push(("FREEHOLD_SERVER_HOSTNAME".to_owned(), name.to_owned()));
        let loaded = Config::load(&Sources { file: None, variables });
        let config = loaded.expect("the neighbour's settings are right").config;
        let server = Server::start(&config, self.world.clone()).await;
        let server = server.expect("the neighbour's server starts");
        self.world.http.route(name, server.address());
        Neighbour { server, name: name.to_owned(), _folder: folder }
    }
}

impl Neighbour {
    /// Signs somebody up there as `name` under its domain.
    pub async fn owner(&self, town: &Town, name: &str) -> Owner {
        let owner = Owner::sign_up(&self.visitor(), (name, &self.name)).await;
        town.world.http.route(&owner.handle, self.server.address());
        owner
    }

    /// Returns somebody without an account there.
    pub fn visitor(&self) -> Client {
        Client::new(self.server.address())
    }

    /// Stops it.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Starts a did:plc directory that the town's world finds under its name.
async fn directory(world: &World, folder: &Path) -> DirectoryServer {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let folder = folder.join("directory");
    let directory = DirectoryServer::start(listen, &folder, world, Rates::Kept).await;
    let directory = directory.expect("the directory starts");
    world.http.route(DIRECTORY, directory.address());
    directory
}

/// What a test rolls follows from its name, and from `FREEHOLD_TEST_SEED`
/// where somebody wants to see other numbers.
fn seed() -> u64 {
    let mut hasher = DefaultHasher::new();
    std::thread::current().name().hash(&mut hasher);
    std::env::var("FREEHOLD_TEST_SEED").unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

fn variables(folder: &Path) -> Vec<(String, String)> {
    let settings = [
        ("FREEHOLD_SERVER_HOSTNAME", HOSTNAME.to_owned()),
        ("FREEHOLD_IDENTITY_PLC_URL", format!("https://{DIRECTORY}")),
        ("FREEHOLD_SERVER_PORT", "0".to_owned()),
        ("FREEHOLD_SERVER_DATA_DIRECTORY", folder.display().to_string()),
        ("FREEHOLD_SECRETS_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
        ("FREEHOLD_ACCOUNTS_INVITE_REQUIRED", "false".to_owned()),
        ("FREEHOLD_ACCOUNTS_LOGIN_TIME_MIN_MS", "0".to_owned()),
        ("FREEHOLD_LIMITS_ENABLED", "false".to_owned()),
        ("FREEHOLD_SYNC_CRAWLERS", ",".to_owned()),
        ("FREEHOLD_SERVICES_APPVIEW_URL", "none".to_owned()),
        ("FREEHOLD_SERVICES_APPVIEW_DID", "none".to_owned()),
        ("FREEHOLD_SERVICES_REPORT_URL", "none".to_owned()),
        ("FREEHOLD_SERVICES_REPORT_DID", "none".to_owned()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn base64_of_basic(name: &str, password: &str) -> String {
    let pair = format!("{name}:{password}");
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}
