//! The running server and the thread that owns it.

use super::place::Place;
use super::spawn::{command, spawn_bound};
use super::{Connection, PostgresError, PostgresResult, PostgresSettings, cluster};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The log is started anew when it is larger than this.
const LARGEST_LOG_BYTES: u64 = 16 * 1024 * 1024;

/// A running private PostgreSQL. Dropping it begins a fast shutdown and does not wait; [`PrivatePostgres::stop`] waits.
#[derive(Debug)]
pub struct PrivatePostgres {
    connection: Connection,
    alive: Arc<Mutex<Option<Pid>>>,
    ended: watch::Receiver<Option<String>>,
}

impl PrivatePostgres {
    /// Creates the cluster if absent, starts the server and waits until it takes connections. Also over a directory whose
    /// server or parent was killed. [`PostgresError::Running`] if another process runs it: then [`super::attach`].
    pub async fn start(settings: PostgresSettings) -> PostgresResult<Self> {
        let (ready, started) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let alive = Arc::new(Mutex::new(None));
        let shared = alive.clone();
        // The thread that forks must live as long as the server: the child's death signal is tied to it.
        std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || supervise(&settings, ready, &shared, &end))
            .map_err(|source| PostgresError::Spawn {
                program: "a thread".to_owned(),
                source,
            })?;
        let gone = || PostgresError::Ended {
            status: "its thread ended".to_owned(),
            log: String::new(),
        };
        let connection = started.await.map_err(|_| gone())??;
        Ok(Self {
            connection,
            alive,
            ended,
        })
    }

    /// How to reach it.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Resolves when the server ends, with how; also if it ends by itself.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status
            .ok()
            .and_then(|status| status.clone())
            .unwrap_or_else(|| "its thread ended".to_owned())
    }

    /// Stops the server: fast shutdown (SIGINT), after 20 s immediate (SIGQUIT), and waits for its end.
    pub async fn stop(self) {
        for (signal, patience) in [
            (Signal::SIGINT, 20),
            (Signal::SIGQUIT, 10),
            (Signal::SIGKILL, 10),
        ] {
            self.signal(signal);
            if tokio::time::timeout(Duration::from_secs(patience), self.ended())
                .await
                .is_ok()
            {
                return;
            }
            tracing::warn!(%signal, patience, "PostgreSQL did not stop in time");
        }
    }

    /// Only while the process is not reaped, so that its number is still its own.
    fn signal(&self, signal: Signal) {
        if let Some(pid) = *self.alive.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = kill(pid, signal);
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.signal(Signal::SIGINT);
    }
}

type Ready = oneshot::Sender<PostgresResult<Connection>>;

/// The life of the server, on its own thread.
fn supervise(
    settings: &PostgresSettings,
    ready: Ready,
    alive: &Mutex<Option<Pid>>,
    end: &watch::Sender<Option<String>>,
) {
    let (mut child, connection, lock) = match start(settings) {
        Ok(started) => started,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let pid = Pid::from_raw(connection.pid);
    *alive.lock().unwrap_or_else(PoisonError::into_inner) = Some(pid);
    if ready.send(Ok(connection)).is_err() {
        // Nobody waits any more.
        let _ = kill(pid, Signal::SIGINT);
    }
    while let Err(nix::errno::Errno::EINTR) =
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {}
    *alive.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let status = child
        .wait()
        .map_or_else(|error| error.to_string(), |status| status.to_string());
    drop(lock);
    end.send_replace(Some(status));
}

fn start(settings: &PostgresSettings) -> PostgresResult<(Child, Connection, Flock<File>)> {
    let place = Place::prepare(settings)?;
    let lock_path = place.directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path);
    let file = file.map_err(PostgresError::file("opening", &lock_path))?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| PostgresError::Running(place.directory.display().to_string()))?;
    clear_and_ensure(&place, settings).and_then(|password| {
        let mut child = spawn(&place, settings)?;
        match wait_until_ready(&place, settings, &mut child) {
            Ok(()) => {
                let pid = i32::try_from(child.id()).unwrap_or_default();
                Ok((
                    child,
                    Connection {
                        socket_folder: place.run.clone(),
                        password,
                        pid,
                    },
                    lock,
                ))
            }
            Err(error) => {
                let _ = kill(
                    Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()),
                    Signal::SIGQUIT,
                );
                let _ = child.wait();
                Err(error)
            }
        }
    })
}

fn clear_and_ensure(place: &Place, settings: &PostgresSettings) -> PostgresResult<String> {
    cluster::clear_old_server(place)?;
    cluster::ensure(place, settings)
}

fn spawn(place: &Place, settings: &PostgresSettings) -> PostgresResult<Child> {
    let large = fs::metadata(&place.log).is_ok_and(|log| log.len() > LARGEST_LOG_BYTES);
    let log = File::options()
        .create(true)
        .append(!large)
        .write(true)
        .truncate(large)
        .open(&place.log);
    let log = log.map_err(PostgresError::file("opening", &place.log))?;
    let program = place.binaries.join("postgres");
    let mut server = command(&program, place.user.as_ref());
    server
        .arg("-D")
        .arg(&place.cluster)
        .arg("-k")
        .arg(&place.run);
    let connections = format!("max_connections={}", settings.max_connections);
    let mut options = vec![
        "listen_addresses=",
        "unix_socket_permissions=0700",
        &connections,
        "shared_buffers=64MB",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_min_messages=warning",
        "log_checkpoints=off",
        // Many short statements under policies: compiling them costs more than it saves.
        "jit=off",
        // What a deadlock waits for; requests are short.
        "deadlock_timeout=200ms",
    ];
    if !settings.durable {
        options.extend([
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "autovacuum=off",
            "max_wal_size=4GB",
        ]);
    }
    for option in options {
        server.arg("-c").arg(option);
    }
    server
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let signal = if settings.durable {
        Signal::SIGINT
    } else {
        Signal::SIGQUIT
    };
    spawn_bound(&mut server, signal).map_err(|source| PostgresError::Spawn {
        program: program.display().to_string(),
        source,
    })
}

fn wait_until_ready(
    place: &Place,
    settings: &PostgresSettings,
    child: &mut Child,
) -> PostgresResult<()> {
    let begun = Instant::now();
    loop {
        let status = cluster::status(&place.cluster);
        if status.is_some_and(|status| status.ready && u32::try_from(status.pid) == Ok(child.id()))
        {
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(PostgresError::Ended {
                status: status.to_string(),
                log: log_end(place),
            });
        }
        if begun.elapsed() > settings.start_timeout {
            return Err(PostgresError::Slow {
                seconds: settings.start_timeout.as_secs(),
                log: log_end(place),
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The last lines of the log.
fn log_end(place: &Place) -> String {
    let text = fs::read(&place.log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}
