//! The cluster on disk: creating it, its password, and who is using it.

use super::place::Place;
use super::spawn::command;
use super::{PostgresError, PostgresResult, PostgresSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What `postmaster.pid` says.
#[derive(Debug)]
pub(super) struct Status {
    /// Line 1.
    pub(super) pid: i32,
    /// Line 5.
    pub(super) socket_folder: PathBuf,
    /// Line 8 is `ready`.
    pub(super) ready: bool,
}

/// Reads `postmaster.pid`; `None` if absent or half-written.
pub(super) fn status(cluster: &Path) -> Option<Status> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    Some(Status {
        pid: lines.first()?.trim().parse().ok()?,
        socket_folder: PathBuf::from(lines.get(4).copied().unwrap_or_default()),
        ready: lines.get(7).is_some_and(|line| line.trim() == "ready"),
    })
}

/// The processes that have the cluster as their working directory: postmaster and backends, also orphaned ones.
pub(super) fn processes_in(cluster: &Path) -> Vec<i32> {
    let Ok(cluster) = cluster.canonicalize() else {
        return Vec::new();
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == cluster)
    })
    .collect()
}

/// Waits for the server of a killed parent, and helps it: fast shutdown first, immediate after 20 s. Removes a stale `postmaster.pid`,
/// whose number may belong to a stranger by now.
pub(super) fn clear_old_server(place: &Place) -> PostgresResult<()> {
    let begun = Instant::now();
    let mut told = None;
    loop {
        let alive = processes_in(&place.cluster);
        let Some(first) = alive.first() else { break };
        let postmaster = status(&place.cluster)
            .map(|status| status.pid)
            .filter(|pid| alive.contains(pid));
        let signal = if begun.elapsed() > Duration::from_secs(20) {
            Signal::SIGQUIT
        } else {
            Signal::SIGINT
        };
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(PostgresError::OldServer {
                pid: *first,
                directory: place.directory.display().to_string(),
            });
        }
        if told != Some(signal) {
            tracing::info!(pid = first, "waiting for an old PostgreSQL");
            // Backends without a postmaster end by themselves when told to quit.
            let receivers = postmaster.map_or(alive, |pid| vec![pid]);
            let signal_now = if postmaster.is_some() {
                signal
            } else {
                Signal::SIGQUIT
            };
            for pid in receivers {
                let _ = kill(Pid::from_raw(pid), signal_now);
            }
            told = Some(signal);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    match fs::remove_file(place.cluster.join("postmaster.pid")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PostgresError::file(
            "removing",
            &place.cluster.join("postmaster.pid"),
        )(error)),
        _ => Ok(()),
    }
}

/// Creates the cluster unless it exists; returns the superuser's password.
pub(super) fn ensure(place: &Place, settings: &PostgresSettings) -> PostgresResult<String> {
    if place.cluster.join("PG_VERSION").exists() {
        return read_password(&place.directory);
    }
    let password = format!(
        "{:032x}{:032x}",
        rand::random::<u128>(),
        rand::random::<u128>()
    );
    let fresh = place.directory.join("cluster.new");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir(&fresh).map_err(PostgresError::file("creating", &fresh))?;
    place.give(&fresh)?;
    // initdb reads the password as the server's user, from the run folder that is private to it.
    let password_file = place.run.join("password.initdb");
    write_private(&password_file, &password)?;
    place.give(&password_file)?;
    let program = place.binaries.join("initdb");
    let mut initdb = command(&program, place.user.as_ref());
    initdb.args([
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-A",
        "scram-sha-256",
        "-U",
        "postgres",
        "--data-checksums",
        "--no-instructions",
    ]);
    if !settings.durable {
        initdb.arg("--no-sync");
    }
    initdb
        .arg("--pwfile")
        .arg(&password_file)
        .arg("-D")
        .arg(&fresh);
    let output = initdb.output();
    let _ = fs::remove_file(&password_file);
    let output = output.map_err(|source| PostgresError::Spawn {
        program: program.display().to_string(),
        source,
    })?;
    if !output.status.success() {
        return Err(PostgresError::Initdb(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    // The password first: a cluster without it would be of no use.
    write_private(&place.directory.join("password"), &password)?;
    fs::rename(&fresh, &place.cluster).map_err(PostgresError::file("renaming", &fresh))?;
    if settings.durable {
        let folder = fs::File::open(&place.directory)
            .map_err(PostgresError::file("opening", &place.directory))?;
        folder
            .sync_all()
            .map_err(PostgresError::file("flushing", &place.directory))?;
    }
    Ok(password)
}

pub(super) fn read_password(directory: &Path) -> PostgresResult<String> {
    let path = directory.join("password");
    Ok(fs::read_to_string(&path)
        .map_err(PostgresError::file("reading", &path))?
        .trim()
        .to_owned())
}

fn write_private(path: &Path, text: &str) -> PostgresResult<()> {
    let _ = fs::remove_file(path);
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = file.map_err(PostgresError::file("creating", path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(PostgresError::file("writing", path))
}
