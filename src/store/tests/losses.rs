//! Connections to Postgres that break, and what the committer says then.

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::store::{events, heads};
use std::sync::atomic::AtomicBool;

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("a URL");
    options.connect().await.expect("a connection")
}

async fn execute(url: &str, text: &str) {
    let text = AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(&mut connect(url).await).await.expect("it runs");
}

fn url_of(scene: &Scene) -> &str {
    match &scene.location {
        Location::Postgres(url) => url,
        Location::Sqlite(_) => unreachable!("it is Postgres"),
    }
}

/// A session that was ended between two commits costs nobody an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_session_is_replaced() {
    let scene = Scene::postgres().await;
    let mut alice = scene.account(1).await;
    alice.write(&scene.db, &[], &[]).await.expect("written");
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'freehold' AND datname = current_database()";
    execute(url_of(&scene), end_all).await;
    alice.write(&scene.db, &[], &[]).await.expect("on a new session");
    assert_eq!(events::range(&scene.db, 0, 10).await.expect("read").len(), 2);
}

/// The server ends the session at the very end of the transaction, before it is
/// durable: the commit is made once, on another session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_aborted_at_its_end_is_tried_again() {
    let scene = Scene::postgres().await;
    let mut alice = scene.account(1).await;
    let trap = "CREATE SEQUENCE traps;
        CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('traps') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON events
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trap();";
    execute(url_of(&scene), trap).await;
    let done = alice.write(&scene.db, &[], &[]).await.expect("at the second try");
    let log = events::range(&scene.db, 0, 10).await.expect("read");
    assert_eq!(log.iter().map(|event| event.seq).collect::<Vec<_>>(), [done.events[0].seq]);
    assert_eq!(heads::find(&scene.db, alice.id).await.expect("read"), alice.head);
}

/// The connection breaks after the server has made the transaction durable and
/// before we heard it: the commit is not made twice, and its writer is told
/// that it was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_end_was_not_heard_is_asked_for() {
    let direct = Scene::postgres().await;
    let (cut, cutting) = watch::channel(Cut::Never);
    let url = relay(url_of(&direct), cutting).await;
    let clock = Arc::clone(&direct.clock);
    let db = open(&Location::Postgres(url), &clock).await.expect("through the relay");
    let mut alice = direct.account(1).await;
    alice.write(&db, &[], &[]).await.expect("written");

    cut.send_replace(Cut::AtNextCommit);
    let mut feed = db.events();
    let done = alice.write(&db, &[], &[]).await.expect("it was made");
    assert_eq!(*cut.borrow(), Cut::AtNextCommit, "the relay does not reset it");
    let log = events::range(&direct.db, 0, 10).await.expect("read");
    assert_eq!(log.len(), 2);
    assert_eq!(log[1], *done.events[0]);
    assert_eq!(heads::find(&direct.db, alice.id).await.expect("read"), alice.head);
    let fed = feed.next().await;
    assert!(matches!(&fed, Some(events::Fed::Event(e)) if *e == done.events[0]), "{fed:?}");
    cut.send_replace(Cut::Never);
    alice.write(&db, &[], &[]).await.expect("on a new connection");
}

/// When the relay breaks a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    /// When the server answers the first COMMIT after this was set.
    AtNextCommit,
}

/// Relays connections to the server of `url`; returns the URL of the relay.
async fn relay(url: &str, cutting: watch::Receiver<Cut>) -> String {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let socket = options.get_socket().expect("the test's server has a socket");
    let socket = socket.join(format!(".s.PGSQL.{}", options.get_port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    let database = options.get_database().expect("it has one").to_owned();
    let relaying = async move {
        let connections = TaskTracker::new();
        let mut cuts = 0;
        while let Ok((client, _)) = listener.accept().await {
            let server = UnixStream::connect(&socket).await.expect("the server answers");
            // One cut only.
            let armed = (cuts == 0).then(|| cutting.clone());
            cuts += usize::from(*cutting.borrow() == Cut::AtNextCommit);
            connections.spawn(relay_one(client, server, armed));
        }
    };
    TaskTracker::new().spawn(relaying);
    format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable")
}

async fn relay_one(client: TcpStream, server: UnixStream, armed: Option<watch::Receiver<Cut>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mute = Arc::new(AtomicBool::new(false));
    let muted = Arc::clone(&mute);
    let answers = TaskTracker::new().spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let heard = !muted.load(Ordering::SeqCst);
            if !heard || to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let ends = buffer[..read].windows(6).any(|word| word == b"COMMIT");
        let cuts = armed.as_ref().is_some_and(|armed| *armed.borrow() == Cut::AtNextCommit);
        mute.store(ends && cuts, Ordering::SeqCst);
        if to_server.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if ends && cuts {
            // The server has answered, and its answer went no further.
            answers.await.expect("the relay does not panic");
            return;
        }
    }
}
