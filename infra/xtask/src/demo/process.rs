//! Programs that run beside the demo: started so that they end with it, stopped in order.

use super::show::until;
use crate::shell;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);

/// A running program. Dropping it ends it.
pub(crate) struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts a program of the machine. It gets SIGTERM when the demo dies, however that dies.
    pub(crate) fn start<S: AsRef<OsStr>>(
        folder: &Path,
        name: &str,
        words: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut command = shell::command("setpriv");
        command.args(["--pdeathsig=TERM", "--"]).args(words);
        Self::spawn(folder, name, command)
    }

    /// Starts what was prepared; stdout and stderr go to files in the folder.
    pub(crate) fn spawn(folder: &Path, name: &str, mut command: Command) -> Result<Self> {
        let output = folder.join(format!("{name}.out"));
        let log = folder.join(format!("{name}.log"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(File::create(&log)?)
            // Ctrl-C reaches the demo alone, which then ends its programs in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output,
            log,
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout so far.
    pub(crate) fn stdout(&self) -> Result<String> {
        fs::read_to_string(&self.output)
            .with_context(|| format!("read the output of {}", self.name))
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("read the log of {}", self.name))
    }

    /// Waits until it has ended by itself; any exit code but 0 is an error.
    pub(crate) fn wait(mut self, limit: Duration) -> Result<()> {
        let status = until(&format!("{} to end", self.name), limit, || {
            Ok(self.child.try_wait()?)
        })?;
        if !status.success() {
            let log = self.stderr().unwrap_or_default();
            bail!(
                "{} ended with {status}:\n{}",
                self.name,
                shell::tail(&log, 15)
            );
        }
        Ok(())
    }

    /// Fails with the end of its log if it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = self.stderr().unwrap_or_default();
            bail!(
                "{} ended with {status}:\n{}",
                self.name,
                shell::tail(&log, 15)
            );
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let process = Pid::from_raw(self.child.id().cast_signed());
        let began = Instant::now();
        if matches!(self.child.try_wait(), Ok(None)) {
            kill(process, Signal::SIGTERM).ok();
        }
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > GRACE {
                eprintln!("warning: {} did not end in time and was killed", self.name);
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
