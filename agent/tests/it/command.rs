//! The program as scripts use it: output on stdout, exit codes as documented.

use std::path::Path;
use std::process::{Command, Output};

fn agent(state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netpatch-agent"))
        .arg("--state-dir")
        .arg(state)
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("a code")
}

#[test]
fn a_host_that_is_not_enrolled_says_so_everywhere() {
    let folder = tempfile::tempdir().expect("folder");
    let run = agent(folder.path(), &["run"]);
    assert_eq!(code(&run), 5);
    assert!(String::from_utf8_lossy(&run.stderr).contains("not enrolled"));
    assert!(run.stdout.is_empty());
    assert_eq!(code(&agent(folder.path(), &["status", "-o", "json"])), 5);
    let doctor = agent(folder.path(), &["doctor", "-o", "json"]);
    assert_eq!(code(&doctor), 1);
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("one object");
    let checks = report["checks"].as_array().expect("checks");
    let enrolment = checks
        .iter()
        .find(|check| check["id"] == "enrolment")
        .expect("the check");
    assert_eq!(enrolment["status"], "fail");
    assert!(checks.iter().any(|check| check["id"] == "package-audit"));
}

#[test]
fn a_token_file_is_read_before_anybody_is_asked() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    let path = file.to_string_lossy().into_owned();
    let enroll = ["enroll", "--server", "127.0.0.1:9", "--token-file", &path];
    assert_eq!(code(&agent(folder.path(), &enroll)), 5, "no such file");
    std::fs::write(&file, "np1.secret-that-must-not-be-shown.zz").expect("a file");
    let malformed = agent(folder.path(), &enroll);
    assert_eq!(code(&malformed), 4);
    assert!(!String::from_utf8_lossy(&malformed.stderr).contains("must-not-be-shown"));
    assert_eq!(
        code(&agent(folder.path(), &["enroll", "--server", "x"])),
        2,
        "usage"
    );
}
