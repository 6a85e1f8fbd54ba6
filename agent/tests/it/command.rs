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

#[test]
fn an_inventory_needs_no_identity_and_is_printed_for_people_and_scripts() {
    let root = tempfile::tempdir().expect("folder");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
    write(
        "var/lib/dpkg/status",
        "Package: curl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 7.88.1-10\n",
    );
    write(
        "opt/env/lib/python3.11/site-packages/idna-3.4.dist-info/METADATA",
        "Name: idna\nVersion: 3.4\n",
    );
    let root = root.path().to_string_lossy().into_owned();
    let nowhere = Path::new("/nonexistent/state");
    let all = agent(nowhere, &["inventory", "--root", &root]);
    assert_eq!(code(&all), 0, "{}", String::from_utf8_lossy(&all.stderr));
    assert_eq!(
        String::from_utf8_lossy(&all.stdout),
        "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=bookworm\npkg:pypi/idna@3.4\n"
    );
    let pip = agent(
        nowhere,
        &[
            "inventory",
            "--root",
            &root,
            "--provider",
            "pip",
            "-o",
            "json",
            "--measure",
        ],
    );
    let json: serde_json::Value = serde_json::from_slice(&pip.stdout).expect("JSON");
    assert_eq!(json[0]["provider"], "pip");
    assert_eq!(json[0]["components"][0]["name"], "idna");
    assert!(String::from_utf8_lossy(&pip.stderr).contains("cpu_ms="));
    assert!(!nowhere.exists());
}
