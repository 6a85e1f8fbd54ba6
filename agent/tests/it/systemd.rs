//! A host with systemd as process 1: what changes the host outlives the agent's unit.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until, use_sources};
use crate::order::{DEPLOYMENT, order};
use crate::root::mount_proc;
use crate::session::{enrol_with, final_step, web_server};
use netpatch_agent::run::Runs;
use netpatch_agent::state::StateFolder;
use netpatch_protocol::session::agent_message;
use netpatch_types::{Clock as _, SystemClock};
use nix::mount::{MntFlags, umount2};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The unit as an administrator would write it: stopping it ends everything that is in its group.
const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/netpatch-agent run\n";

/// A booted host. It has the network of the test, and processes, mounts and groups of its own.
struct Machine {
    container: Child,
    root: PathBuf,
    /// Its process 1, as this machine counts.
    first: i32,
}

impl Machine {
    /// Boots the host's root file system.
    async fn boot(host: &Host) -> Self {
        let agent = env!("CARGO_BIN_EXE_netpatch-agent");
        // It gets one that shows its own processes.
        umount2(&host.root().join("proc"), MntFlags::empty()).expect("unmounts proc");
        fs::write(
            host.root()
                .join("etc/systemd/system/netpatch-agent.service"),
            UNIT,
        )
        .expect("a unit");
        let container = Command::new("setpriv")
            .args([
                "--pdeathsig=KILL",
                "--",
                "systemd-nspawn",
                "--quiet",
                "--boot",
            ])
            .args(["--register=no", "--keep-unit", "--link-journal=no"])
            .args(["--resolv-conf=off", "--console=pipe", "--directory"])
            .arg(host.root())
            .arg(format!("--bind-ro={agent}:/usr/local/bin/netpatch-agent"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv");
        let pid = container.id();
        let mut machine = Self {
            container,
            root: host.root(),
            first: 0,
        };
        machine.first = until(|| async {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let first: i32 = children.ok()?.split_whitespace().next()?.parse().ok()?;
            fs::exists(format!("/proc/{first}/root/run/systemd/private"))
                .is_ok_and(|is_up| is_up)
                .then_some(first)
        })
        .await;
        until(|| async {
            let state = machine.says(&["systemctl", "is-system-running"]);
            ["running", "degraded"]
                .contains(&state.as_str())
                .then_some(())
        })
        .await;
        machine
    }

    /// What a program inside writes.
    fn says(&self, words: &[&str]) -> String {
        let output = Command::new("nsenter")
            .args(["--target", &self.first.to_string()])
            .args(["--all", "--root", "--wd", "--", "env", "-i"])
            .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
            .args(words)
            .output()
            .expect("nsenter");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.first > 0 {
            let first = nix::unistd::Pid::from_raw(self.first);
            let _ = nix::sys::signal::kill(first, nix::sys::signal::Signal::SIGKILL);
        } else {
            let _ = self.container.kill();
        }
        let _ = self.container.wait();
        mount_proc(&self.root);
    }
}

#[tokio::test]
async fn apt_has_a_scope_of_its_own_and_outlives_the_unit_of_the_agent() {
    let host = Host::with(&["np-held-up"]).await;
    let (_, content) = host.plan(&["np-held-up"]).await;
    let (url, _web) = web_server().await;
    use_sources(&host.root(), &url);
    let edge = Edge::start();
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let server = edge.address.to_string();
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");

    let machine = Machine::boot(&host).await;
    machine.says(&["touch", "/run/np-held-up.wait"]);
    machine.says(&["systemctl", "start", "netpatch-agent"]);
    until(|| async {
        edge.heard(|body| matches!(body, agent_message::Body::Applicability(_)).then_some(()))
    })
    .await;
    edge.send(order(
        &content,
        1,
        SystemClock::default().now().timestamp_millis(),
    ));
    let folder = Runs::new(&state).folder(DEPLOYMENT, 1);
    let log = folder.join("install.log");
    until(|| async {
        let text = fs::read_to_string(&log).ok()?;
        text.contains("Setting up np-held-up").then_some(())
    })
    .await;

    let pid = fs::read_to_string(folder.join("install.pid")).expect("a pid");
    let groups = machine.says(&["cat", &format!("/proc/{}/cgroup", pid.trim())]);
    let scope = groups
        .split(['/', '\n'])
        .find(|part| part.ends_with(".scope"))
        .unwrap_or_else(|| panic!("no scope: {groups}"))
        .to_owned();
    assert_eq!(
        machine.says(&["systemctl", "show", "--property=Description", &scope]),
        "Description=netpatch install"
    );
    machine.says(&["systemctl", "stop", "netpatch-agent"]);
    assert_eq!(
        machine.says(&["systemctl", "is-active", "netpatch-agent", &scope]),
        "inactive\nactive"
    );

    machine.says(&["rm", "/run/np-held-up.wait"]);
    machine.says(&["systemctl", "start", "netpatch-agent"]);
    assert_eq!(final_step(&edge, 1).await.state, "succeeded");
    assert_eq!(host.version("np-held-up"), "2.0-1 installed");
    let text = fs::read_to_string(&log).expect("the log");
    assert_eq!(
        text.matches("Setting up np-held-up").count(),
        1,
        "apt ran once: {text}"
    );
}
