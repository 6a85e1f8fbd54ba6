//! The program itself as a process, as people and scripts start it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A debug build on a busy machine takes a while to make its first database.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program with arguments, and nothing of this environment that it reads.
pub(crate) fn netpatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NETPATCH_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
pub(crate) fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The program's answer to this standard input.
pub(crate) fn fed(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = netpatch(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // One that stops reading is the test's matter and not this thread's.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    outcome(&output)
}

/// A running `netpatch serve`; killed when dropped.
pub(crate) struct Served {
    child: Child,
    log: PathBuf,
    /// Where the portal and the API listen.
    pub(crate) http: String,
    /// Where agents and relays connect.
    pub(crate) quic: String,
    /// From the start of the process to its `ready` line.
    pub(crate) ready_after: Duration,
}

impl Served {
    /// Starts it on free ports and waits until it takes work.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_at(data_dir, "127.0.0.1:0")
    }

    /// The same for relays that know its address, with what a file beside the folder (`.toml`) configures.
    pub(crate) fn start_at(data_dir: &Path, quic: &str) -> Self {
        let log = data_dir.with_extension("log");
        let mut command = netpatch(&["serve", "--http", "127.0.0.1:0", "--quic", quic]);
        command.arg("--data-dir").arg(data_dir);
        let file = data_dir.with_extension("toml");
        if file.exists() {
            command.arg("--config").arg(file);
        }
        command.stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&log).unwrap());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let (send, ready) = mpsc::channel();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            let _ = send.send(lines.next());
            lines.for_each(drop);
        });
        let mut served = Self {
            child,
            log,
            http: String::new(),
            quic: String::new(),
            ready_after: Duration::ZERO,
        };
        let Ok(Some(Ok(line))) = ready.recv_timeout(PATIENCE) else {
            panic!("not ready: {}", served.log());
        };
        served.ready_after = begun.elapsed();
        let words: Vec<_> = line.split(' ').collect();
        let [start, http, quic] = words[..] else {
            panic!("three words: {line}");
        };
        assert!(
            start == "ready" && quic.starts_with("quic=127.0.0.1:"),
            "{line}"
        );
        served.http = http.strip_prefix("http=").unwrap().to_owned();
        served.quic = quic.strip_prefix("quic=").unwrap().to_owned();
        served
    }

    /// What it wrote to stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL: no destructor, no last write.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as a supervisor stops it.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
