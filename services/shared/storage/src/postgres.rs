//! A private PostgreSQL: a child process on a Unix socket, which dies with us. The embedded default, and the tests' server.
//!
//! Invariants
//! - One directory, one server: a lock file is held while it runs, and a server left by a killed parent is waited for and stopped
//!   before a new one starts.
//! - A cluster appears under its name only when `initdb` has finished.
//! - PostgreSQL refuses root: then its processes run as `postgres` (or `nobody`).
//!
//! Layout below the directory: `cluster/` (PGDATA), `password` (of the superuser, 0600), `lock`, `log`, and, if short enough, `run/`.

mod cluster;
mod place;
mod process;
mod spawn;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use process::PrivatePostgres;

/// What every function here returns.
pub type PostgresResult<T> = Result<T, PostgresError>;

/// How to run a private PostgreSQL.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Where everything is kept.
    pub directory: PathBuf,
    /// Where `initdb` and `postgres` are; by default the newest `/usr/lib/postgresql/*/bin`.
    pub binaries: Option<PathBuf>,
    /// `false` gives up safety for speed: no fsync. For tests only.
    pub durable: bool,
    /// Connections that the server takes.
    pub max_connections: u32,
    /// How long to wait for the server, recovery after a crash included.
    pub start_timeout: Duration,
}

impl PostgresSettings {
    /// A durable server in a directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            binaries: None,
            durable: true,
            max_connections: 100,
            start_timeout: Duration::from_secs(60),
        }
    }
}

/// How to reach a private PostgreSQL as its superuser.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    pub(crate) socket_folder: PathBuf,
    pub(crate) password: String,
    pub(crate) pid: i32,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Connection({}, pid {})",
            self.socket_folder.display(),
            self.pid
        )
    }
}

impl Connection {
    /// The superuser's URL of a database; `postgres` always exists. [`crate::roles::bootstrap`] takes it.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        let host = self
            .socket_folder
            .to_string_lossy()
            .replace('%', "%25")
            .replace('/', "%2F");
        format!("postgres://postgres:{}@{host}/{database}", self.password)
    }

    /// The server's process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The folder of the socket.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }
}

/// The server that another process of ours runs in this directory right now; `None` if none does.
pub fn attach(directory: &Path) -> PostgresResult<Option<Connection>> {
    let cluster = directory.join("cluster");
    let Some(status) = cluster::status(&cluster) else {
        return Ok(None);
    };
    if !status.ready || !cluster::processes_in(&cluster).contains(&status.pid) {
        return Ok(None);
    }
    let password = cluster::read_password(directory)?;
    Ok(Some(Connection {
        socket_folder: status.socket_folder,
        password,
        pid: status.pid,
    }))
}

/// A failed step of running a private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No `initdb` anywhere.
    #[error("no PostgreSQL server programs in {looked_in}; on Debian: apt-get install postgresql")]
    NoBinaries {
        /// Where it looked.
        looked_in: String,
    },
    /// We are root and there is nobody to run the server as.
    #[error("neither the user postgres nor nobody exists, and PostgreSQL does not run as root")]
    NoUser,
    /// The server's user cannot enter a folder above the directory.
    #[error(
        "the user {user} cannot enter {folder}, so PostgreSQL cannot run in {directory}; choose a directory outside of it"
    )]
    Unreachable {
        /// Who.
        user: String,
        /// The closed folder.
        folder: String,
        /// Where the server should run.
        directory: String,
    },
    /// Another process runs it; see [`attach`].
    #[error("another process runs PostgreSQL in {0}")]
    Running(String),
    /// A server of a killed parent does not end.
    #[error("an old PostgreSQL (pid {pid}) in {directory} does not stop")]
    OldServer {
        /// Its process.
        pid: i32,
        /// Where.
        directory: String,
    },
    /// A file or folder.
    #[error("{operation} {path} failed: {source}")]
    File {
        /// Did what.
        operation: &'static str,
        /// With which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program did not start.
    #[error("starting {program} failed: {source}")]
    Spawn {
        /// Which.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `initdb` ended with an error.
    #[error("initdb failed: {0}")]
    Initdb(String),
    /// The server ended before it was ready.
    #[error("PostgreSQL ended while starting ({status}): {log}")]
    Ended {
        /// How.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// The server was not ready in time.
    #[error("PostgreSQL was not ready after {seconds} s: {log}")]
    Slow {
        /// How long.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
}

impl PostgresError {
    pub(crate) fn file<'a>(
        operation: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::File {
            operation,
            path: path.display().to_string(),
            source,
        }
    }
}
