//! The systemd units: systemd understands them, and what they can be kept from they are kept from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: [&str; 3] = ["netpatch", "netpatch-relay", "netpatch-agent"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd")
}

/// The unit with a program that is there, for systemd looks whether it can be started.
fn copy(unit: &str, to: &Path) -> PathBuf {
    let text = fs::read_to_string(folder().join(format!("{unit}.service"))).expect("a unit");
    let program = format!("ExecStart=/usr/bin/{unit} ");
    assert_eq!(text.matches(&program).count(), 1, "{unit}");
    let path = to.join(format!("{unit}.service"));
    fs::write(&path, text.replace(&program, "ExecStart=/bin/true ")).expect("written");
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("systemd-analyze, of Debian's package systemd");
    let mut said = output.stdout;
    said.extend(output.stderr);
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let to = tempfile::tempdir().expect("a folder");
    let verify = ["verify", "--man=no", "--recursive-errors=one"];
    for unit in UNITS {
        let path = copy(unit, to.path());
        let (is_fine, said) = analyze(&verify, &path);
        assert!(is_fine && said.is_empty(), "{unit}: {said}");
        // It would say so.
        let text = fs::read_to_string(&path).expect("a unit");
        fs::write(
            &path,
            text.replace("[Service]", "[Service]\nProtectSytem=yes"),
        )
        .expect("written");
        let (_, said) = analyze(&verify, &path);
        assert!(said.contains("ProtectSytem"), "{unit}: {said}");
    }
}

/// Exposure in tenths, as `systemd-analyze security` rates it: 0 is a service that can do nothing. The agent is not among them: what
/// it starts has to change the host.
#[test]
fn relay_and_platform_are_kept_from_what_they_do_not_need() {
    let to = tempfile::tempdir().expect("a folder");
    for (unit, most) in [("netpatch-relay", 12), ("netpatch", 20)] {
        let path = copy(unit, to.path());
        let threshold = format!("--threshold={most}");
        let arguments = ["security", "--offline=true", "--no-pager", &threshold];
        let (is_below, said) = analyze(&arguments, &path);
        assert!(is_below, "{said}");
        let text = fs::read_to_string(&path).expect("a unit");
        fs::write(&path, text.replace("SystemCallFilter=", "#")).expect("written");
        let (is_below, _) = analyze(&arguments, &path);
        assert!(!is_below, "{unit}: the threshold is where the unit is");
    }
}

#[test]
fn each_unit_names_its_one_configuration_file_and_its_folder() {
    for (unit, file) in [
        ("netpatch", "/etc/netpatch/netpatch.toml"),
        ("netpatch-relay", "/etc/netpatch/relay.toml"),
        ("netpatch-agent", "/etc/netpatch/agent.env"),
    ] {
        let text = fs::read_to_string(folder().join(format!("{unit}.service"))).expect("a unit");
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        let named: Vec<&str> = settings
            .clone()
            .filter(|line| line.contains("/etc/"))
            .collect();
        assert_eq!(named.len(), 1, "{named:?}");
        assert!(named[0].ends_with(file), "{named:?}");
        assert!(
            settings
                .clone()
                .any(|line| line == format!("StateDirectory={unit}"))
        );
    }
}
