//! The program: exit codes and output.

use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch-verify"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("starts")
}

#[test]
fn the_exit_code_says_failed_or_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("pack.json");
    std::fs::write(&pack, b"{}\n").expect("writes");
    let path = pack.to_str().expect("utf-8");

    let failed = run(&[path]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stdout).contains("does NOT hold"));

    let json = run(&[path, "-o", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("json");
    assert_eq!(report["ok"], false);
    assert_eq!(report["checks"][0]["id"], "format");

    let absent = run(&[folder.path().join("absent").to_str().expect("utf-8")]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("cannot check"));

    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&[path, "--ledger-key", "short"]).status.code(), Some(2));
    assert_eq!(run(&["-"]).status.code(), Some(1));
}
