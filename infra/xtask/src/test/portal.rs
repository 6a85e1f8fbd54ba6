//! The portal in a real Chromium against the demo's platform: during the rollout, and after it.

use crate::demo::{Alone, Guest, Show};
use crate::setup::node;
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the page that follows the rollout may take to see its end after it ended.
const GRACE: Duration = Duration::from_secs(120);

/// A browser that opens the deployment's page when it begins and everything else when it is over.
#[derive(Default)]
pub(super) struct Browser {
    live: Option<Live>,
}

/// The browser on the deployment's page. Ended when dropped.
struct Live {
    child: Child,
    log: PathBuf,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Guest for Browser {
    fn rollout_begins(&mut self, show: &mut Show, folder: &Path, facts: &Value) -> Result<()> {
        show.step("Open the deployment's page in Chromium", |_| {
            let log = folder.join("portal-live.log");
            let output = File::create(&log)?;
            let mut npm = node::npm()?;
            npm.args(["run", "--silent", "e2e:real"])
                .stdin(told(folder, "live", facts)?)
                .stdout(output.try_clone()?)
                .stderr(output);
            let child = npm.spawn().context("start the browser's test")?;
            self.live = Some(Live { child, log });
            Ok(((), "The deployment's page follows the rollout".to_owned()))
        })
    }

    fn rollout_ended(&mut self, show: &mut Show, folder: &Path, facts: &Value) -> Result<()> {
        if let Some(mut live) = self.live.take() {
            show.step("Ask the open page what it saw", |line| {
                let seen = ended(&mut live)?;
                for sentence in seen.lines().filter_map(|line| line.strip_prefix("ok    ")) {
                    line.say(sentence);
                }
                let sentence = "The open page paused and resumed it by keyboard and saw its end";
                Ok(((), sentence.to_owned()))
            })?;
        }
        show.step("Look at every page of the portal in Chromium", |_| {
            let mut npm = node::npm()?;
            npm.args(["run", "--silent", "e2e:real"])
                .stdin(told(folder, "tour", facts)?);
            shell::run(&mut npm)?;
            let sentence = "The portal shows it all, in both colour schemes, without violations";
            Ok(((), sentence.to_owned()))
        })
    }
}

/// A new organization is set up by the portal alone; the relay that it claims is a real one.
pub(super) fn set_up(alone: &Alone<'_>, relay_program: &Path) -> Result<()> {
    let facts = json!({
        "url": alone.url, "edge": alone.edge, "requester": alone.administrator,
        "folder": alone.folder, "relayProgram": relay_program,
    });
    let mut npm = node::npm()?;
    npm.args(["run", "--silent", "e2e:real"])
        .stdin(told(alone.folder, "first", &facts)?);
    shell::run(&mut npm)
}

/// The facts as an open file that nobody else can read, since passwords are among them.
fn told(folder: &Path, mode: &str, facts: &Value) -> Result<Stdio> {
    let mut facts = facts.clone();
    facts["mode"] = json!(mode);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(format!("portal-{mode}.json")))?;
    file.write_all(facts.to_string().as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// Waits for its end; what it said, or as an error when something did not hold.
fn ended(live: &mut Live) -> Result<String> {
    let began = Instant::now();
    loop {
        shell::check_interrupted()?;
        let status = live.child.try_wait()?;
        if status.is_none() && began.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(100));
            continue;
        }
        let said = fs::read_to_string(&live.log)?;
        match status {
            Some(status) if status.success() => return Ok(said),
            Some(status) => bail!("it ended with {status}:\n{}", shell::tail(&said, 30)),
            None => bail!("it does not end:\n{}", shell::tail(&said, 30)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_saw_something_wrong_fails_with_what_it_said() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log");
        fs::write(&log, "the counters did not move\n").expect("a log");
        let child = std::process::Command::new("false").spawn().expect("false");
        let error = ended(&mut Live { child, log }).expect_err("it failed");
        assert!(
            error.to_string().contains("counters did not move"),
            "{error}"
        );
    }
}
