//! The program itself: what scripts rely on.

use crate::world::{Edge, config};
use std::process::{Command, Stdio};

fn relay(arguments: &[&str], folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch-relay"));
    command.args(arguments).arg("--data-dir").arg(folder);
    command.stdin(Stdio::null());
    command
}

#[test]
fn an_unclaimed_relay_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = relay(&["status", "-o", "json"], folder.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["state"], "unclaimed");
    assert_eq!(status["fingerprint"].as_str().unwrap().len(), 64);

    let output = relay(&["run"], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not claimed"));
    assert!(output.stdout.is_empty());

    let output = relay(&["doctor", "-o", "json"], folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["status"], "fail");

    let output = relay(&["claim"], folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_claims_then_run_is_ready_and_stops_on_a_signal() {
    use tokio::io::AsyncBufReadExt as _;
    let (edge, folder) = (Edge::start().await, tempfile::tempdir().unwrap());
    let token = folder.path().join("token");
    let text = format!("np1.a-good-claim-token.{}\n", edge.platform.fingerprint());
    std::fs::write(&token, text).unwrap();
    let data = folder.path().join("data");
    let server = edge.address.to_string();
    let claim = [
        "claim",
        "--server",
        &server,
        "--token-file",
        token.to_str().unwrap(),
        "-o",
        "json",
    ];
    let output = tokio::process::Command::from(relay(&claim, &data))
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let claimed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(claimed["siteId"], "a-site");

    let listen = config().listen.to_string();
    let mut run = tokio::process::Command::from(relay(&["run", "--listen", &listen], &data));
    let mut run = run
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::BufReader::new(run.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.starts_with("ready listen=127.0.0.1:"), "{first}");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let output = tokio::process::Command::from(relay(&["status", "-o", "json"], &data))
            .output()
            .await
            .unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        if status["state"] == "online" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{status}");
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(run.id().unwrap()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(run.wait().await.unwrap().success());
    let output = relay(&["status"], &data).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("stopped"));
    // What was counted is there for the next run.
    let counted = std::fs::read(data.join("counters.json")).unwrap();
    let counted: serde_json::Value = serde_json::from_slice(&counted).unwrap();
    assert_eq!(counted["bytes_served"], 0);
}
