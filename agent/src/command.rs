//! Runs programs on the host, or in a root folder that stands for one.
//!
//! Invariants: a clean environment with `LC_ALL=C`, stdin closed, a time limit on every program that only reads.
//! Programs that change the host go through [`crate::supervisor`] and have no limit.

use netpatch_agent_core::{Failure, FailureCause};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A program with its arguments, as the host sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Name or path.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Working folder, as the host sees it.
    pub folder: Option<PathBuf>,
}

impl CommandLine {
    /// A program with arguments.
    pub fn new<I>(program: &str, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            folder: None,
        }
    }

    /// The same in a working folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output, lossy UTF-8.
    pub stdout: String,
    /// Standard error, lossy UTF-8.
    pub stderr: String,
}

impl Output {
    /// Whether the code is 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Both streams, standard error last.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// Where programs run: the machine itself, or a root folder entered with a command such as `chroot DIR`.
#[derive(Clone, Debug)]
pub struct Runner {
    root: PathBuf,
    prefix: Vec<String>,
}

/// Environment of every program: no prompts, no paging, no colours, no proxy from outside.
pub const ENVIRONMENT: [(&str, &str); 8] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C"),
    ("TERM", "dumb"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_MODE", "l"),
];

impl Default for Runner {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            prefix: Vec::new(),
        }
    }
}

impl Runner {
    /// Programs enter `root` through the prefix, e.g. `["chroot", "/var/tmp/host"]`.
    #[must_use]
    pub fn in_root(root: PathBuf, prefix: Vec<String>) -> Self {
        Self { root, prefix }
    }

    /// A path of the host as this process reaches it.
    #[must_use]
    pub fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The host's root folder as this process reaches it.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path under the root as the host's programs see it.
    #[must_use]
    pub fn inside(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.root) {
            Ok(rest) => Path::new("/").join(rest),
            Err(_) => path.to_owned(),
        }
    }

    /// The whole argument vector, prefix included.
    #[must_use]
    pub fn argv(&self, command: &CommandLine) -> Vec<OsString> {
        let mut argv: Vec<OsString> = self.prefix.iter().map(Into::into).collect();
        if let Some(folder) = &command.folder {
            argv.extend(["sh", "-c", "cd \"$0\" && exec \"$@\""].map(OsString::from));
            argv.push(folder.into());
        }
        argv.push((&command.program).into());
        argv.extend(command.arguments.iter().map(OsString::from));
        argv
    }

    /// Runs a program that only reads, or one that may be interrupted; ends it at the limit.
    pub async fn run(&self, command: &CommandLine, limit: Duration) -> Result<Output, Failure> {
        let argv = self.argv(command);
        let failed =
            |cause, reason: String| Failure::new(cause, [format!("{}: {reason}", command.program)]);
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| failed(FailureCause::Unknown(None), "empty command".into()))?;
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(FailureCause::Incompatible, error.to_string()))?;
        let output = tokio::time::timeout(limit, child.wait_with_output())
            .await
            .map_err(|_| {
                failed(
                    FailureCause::Timeout,
                    format!("no end after {} s", limit.as_secs()),
                )
            })?
            .map_err(|error| failed(FailureCause::Unknown(None), error.to_string()))?;
        Ok(Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_map_both_ways() {
        let runner = Runner::in_root(
            "/tmp/host".into(),
            vec!["chroot".into(), "/tmp/host".into()],
        );
        assert_eq!(runner.outside("/var/lib"), Path::new("/tmp/host/var/lib"));
        assert_eq!(
            runner.inside(Path::new("/tmp/host/var/lib")),
            Path::new("/var/lib")
        );
        assert_eq!(
            Runner::default().inside(Path::new("/var/lib")),
            Path::new("/var/lib")
        );
        let command = CommandLine::new("apt-get", ["download"]).in_folder(Path::new("/a b"));
        let argv = runner.argv(&command);
        assert_eq!(argv[..2], ["chroot", "/tmp/host"].map(OsString::from));
        assert_eq!(
            argv[5..],
            ["/a b", "apt-get", "download"].map(OsString::from)
        );
    }
}
