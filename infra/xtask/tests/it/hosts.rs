//! Hosts for real: they need root, namespaces and (the first time) Debian's archive.

use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

fn hosts(lan: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["hosts", "--lan", lan])
        .args(words)
        .output()
        .expect("xtask starts")
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}{err}");
    out.trim().to_owned()
}

/// A LAN that is gone after the test, however it ends.
struct TestLan(String);

impl TestLan {
    fn new(purpose: &str) -> Self {
        Self(format!("test-{purpose}-{}", std::process::id()))
    }

    fn exec(&self, host: &str, script: &str) -> String {
        said(&hosts(&self.0, &["exec", host, "sh", "-c", script]))
    }

    fn is_there(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/mounts").expect("mounts");
        Path::new("/run/netpatch-hosts").join(&self.0).exists()
            || Path::new("/run/netns")
                .join(format!("np-{}", self.0))
                .exists()
            || mounts.contains(&self.0)
    }
}

impl Drop for TestLan {
    fn drop(&mut self) {
        hosts(&self.0, &["down"]);
    }
}

/// `cargo xtask test --unprivileged` sets this; CI never does.
fn is_left_out() -> bool {
    std::env::var_os("NETPATCH_TEST_UNPRIVILEGED").is_some()
}

#[test]
fn a_host_is_debian_with_a_lan_and_nothing_else() {
    if is_left_out() {
        return;
    }
    let lan = TestLan::new("alone");
    let list = said(&hosts(&lan.0, &["up", "2"]));
    let second = list
        .lines()
        .nth(1)
        .and_then(|line| line.split('\t').nth(1))
        .expect("an address");

    assert_eq!(
        lan.exec("host-1", "cat /proc/sys/kernel/hostname"),
        "host-1"
    );
    assert!(
        lan.exec("host-1", "cat /etc/debian_version")
            .starts_with("12.")
    );
    assert_eq!(
        lan.exec("host-1", "ip route show default"),
        "",
        "no way out of the LAN"
    );
    assert_ne!(
        lan.exec("host-1", "cat /etc/machine-id"),
        lan.exec("host-2", "cat /etc/machine-id")
    );
    assert!(
        lan.exec("host-1", &format!("ip route get {second}"))
            .contains("dev eth0")
    );
    // What one host writes, the other does not see, nor does the base.
    lan.exec("host-1", "touch /etc/only-here");
    assert_eq!(
        lan.exec("host-2", "test -e /etc/only-here || echo absent"),
        "absent"
    );
    reaps_orphans(&lan);

    said(&hosts(&lan.0, &["down"]));
    assert!(!lan.is_there(), "down leaves nothing behind");
}

/// A process whose parent has ended becomes a child of process 1, which must reap it.
fn reaps_orphans(lan: &TestLan) {
    let orphan = lan.exec("host-1", "sh -c 'true & echo $!'");
    let began = Instant::now();
    while lan.exec(
        "host-1",
        &format!("test -e /proc/{orphan} && echo there || true"),
    ) == "there"
    {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "process 1 does not reap"
        );
    }
}

struct Owner(Child);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn what_a_killed_run_left_behind_is_removed_by_the_next() {
    if is_left_out() {
        return;
    }
    let lan = TestLan::new("killed");
    let owner = Owner(
        Command::new("sleep")
            .arg("600")
            .spawn()
            .expect("sleep starts"),
    );
    said(&hosts(
        &lan.0,
        &["up", "1", "--owner", &owner.0.id().to_string()],
    ));
    let other = TestLan::new("other");
    said(&hosts(&other.0, &["down"]));
    assert!(lan.is_there(), "its owner is alive");

    drop(owner);
    said(&hosts(&other.0, &["down"]));
    assert!(!lan.is_there(), "its owner is gone");
}
