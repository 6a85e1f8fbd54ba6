//! Programs that change the host: in a session of their own, output to a file, never killed, found again by a later
//! agent process.
//!
//! A small shell supervises: it writes its process id, runs the script and writes the exit code by rename. It holds
//! an flock on a file through its standard input, inherited at its birth and not passed on to the script, so there
//! is no moment in which a started transaction looks like one that was not. With systemd it gets a scope of its own,
//! so that stopping the agent's unit leaves it alone.

use crate::command::{CommandLine, ENVIRONMENT, Runner};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::{ProcessRecord, Purpose};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const SUPERVISE: &str = r#"d=$1; n=$2
echo $$ >"$d/$n.pid"
sh "$d/$n.sh" </dev/null >>"$d/$n.log" 2>&1
c=$?
echo $c >"$d/$n.code.new"
sync "$d/$n.code.new" 2>/dev/null
mv "$d/$n.code.new" "$d/$n.code""#;

/// One supervised program: a name in a run's folder.
#[derive(Clone, Debug)]
pub struct Supervised {
    folder: PathBuf,
    name: String,
}

impl Supervised {
    /// A program's place; nothing is started.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// Starts the commands one after the other; the exit code is that of the command marked as the main one.
    pub fn start(
        &self,
        runner: &Runner,
        script: &Script,
        purpose: Purpose,
    ) -> io::Result<ProcessRecord> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.file("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, "it is running already")
            }
            TryLockError::Error(error) => error,
        })?;
        for old in ["code", "code.new", "pid"] {
            match fs::remove_file(self.file(old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        write_synced(&self.file("sh"), script.text().as_bytes())?;
        let folder = runner.inside(&self.folder).to_string_lossy().into_owned();
        let shell = CommandLine::new("sh", ["-c", SUPERVISE, "sh", &folder, &self.name]);
        let mut argv = scope(&self.name);
        argv.extend(
            runner
                .argv(&shell)
                .iter()
                .map(|part| part.to_string_lossy().into_owned()),
        );
        let mut child = tokio::process::Command::new("setsid")
            .args(&argv)
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::from(lock))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(false)
            .spawn()?;
        let pid = child.id().unwrap_or(0);
        let record = ProcessRecord {
            purpose,
            pid,
            start_ticks: start_ticks(pid).unwrap_or(0),
            boot_id: crate::facts::boot_id(),
        };
        tokio::spawn(async move {
            // Only to reap it; its code is read from the file.
            let _ = child.wait().await;
        });
        Ok(record)
    }

    /// What became of it. A lost supervisor counts as running while `is_locked` says that the package manager works.
    pub fn state(&self, is_locked: impl FnOnce() -> bool) -> io::Result<Transaction> {
        let lock = match File::options().write(true).open(self.file("lock")) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Transaction::NotStarted);
            }
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(Transaction::Running),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => {}
        }
        match fs::read_to_string(self.file("code")) {
            Ok(code) => {
                return Ok(code
                    .trim()
                    .parse()
                    .map_or(Transaction::Lost, Transaction::Ended));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if !self.file("pid").exists() {
            return Ok(Transaction::NotStarted);
        }
        Ok(if is_locked() {
            Transaction::Running
        } else {
            Transaction::Lost
        })
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

/// Commands in a row, each tried whatever the one before did; one of them decides the exit code.
#[derive(Clone, Debug, Default)]
pub struct Script {
    lines: Vec<String>,
}

impl Script {
    /// Adds a command whose failure does not matter.
    pub fn also(&mut self, command: &CommandLine) {
        self.lines.push(quoted(command));
    }

    /// Adds the command whose exit code is the script's.
    pub fn main(&mut self, command: &CommandLine) {
        self.lines.push(format!("{}; code=$?", quoted(command)));
    }

    fn text(&self) -> String {
        format!("code=0\n{}\nexit $code\n", self.lines.join("\n"))
    }
}

fn quoted(command: &CommandLine) -> String {
    std::iter::once(&command.program)
        .chain(&command.arguments)
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect::<Vec<_>>()
        .join(" ")
}

fn scope(name: &str) -> Vec<String> {
    if !Path::new("/run/systemd/system").is_dir() || !Path::new("/usr/bin/systemd-run").exists() {
        return Vec::new();
    }
    let unit = format!("--description=netpatch {name}");
    [
        "systemd-run",
        "--scope",
        "--quiet",
        "--collect",
        &unit,
        "--",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Field 22 of proc(5) stat: clock ticks since boot.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    async fn ended(supervised: &Supervised) -> Transaction {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let state = supervised.state(|| false).expect("state");
            if state != Transaction::Running && state != Transaction::NotStarted {
                return state;
            }
            assert!(Instant::now() < deadline, "it never ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn the_code_and_the_output_survive() {
        let folder = tempfile::tempdir().expect("folder");
        let supervised = Supervised::new(folder.path(), "install");
        assert_eq!(
            supervised.state(|| false).expect("state"),
            Transaction::NotStarted
        );
        let mut script = Script::default();
        script.main(&CommandLine::new(
            "sh",
            ["-c", "echo \"it's $1\"; exit 7", "sh", "a'b"],
        ));
        script.also(&CommandLine::new("true", [""; 0]));
        let record = supervised
            .start(&Runner::default(), &script, Purpose::Install)
            .expect("starts");
        assert!(record.pid > 0 && record.start_ticks > 0);
        assert_eq!(ended(&supervised).await, Transaction::Ended(7));
        assert_eq!(
            fs::read_to_string(supervised.log()).expect("log"),
            "it's a'b\n"
        );
    }

    #[tokio::test]
    async fn a_killed_supervisor_is_lost_unless_the_package_manager_works() {
        let folder = tempfile::tempdir().expect("folder");
        let supervised = Supervised::new(folder.path(), "install");
        let mut script = Script::default();
        script.main(&CommandLine::new(
            "sh",
            [
                "-c",
                "kill -9 $(cat \"$1/install.pid\"); sleep 0.2",
                "sh",
                &folder.path().to_string_lossy(),
            ],
        ));
        supervised
            .start(&Runner::default(), &script, Purpose::Install)
            .expect("starts");
        assert_eq!(ended(&supervised).await, Transaction::Lost);
        assert_eq!(
            supervised.state(|| true).expect("state"),
            Transaction::Running
        );
    }
}
