//! What scripts rely on: exit codes, data on stdout, clear words on stderr.

use crate::program::{Served, netpatch, outcome};

#[test]
fn a_missing_pack_is_named_and_a_damaged_one_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("absent.json");
    let output = netpatch(&["verify"]).arg(&missing).output().unwrap();
    let (code, out, err) = outcome(&output);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("absent.json: No such file"), "{err}");

    for damaged in ["", "{", "[]", r#"{"body":{},"seal":{}}"#, "\u{0}\u{1}"] {
        let pack = folder.path().join("pack.json");
        std::fs::write(&pack, damaged).unwrap();
        let output = netpatch(&["verify", "-o", "json"])
            .arg(&pack)
            .output()
            .unwrap();
        let (code, out, err) = outcome(&output);
        assert_eq!((code, err.as_str()), (Some(1), ""), "{damaged:?}");
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&report["version"], &report["ok"]),
            (&1.into(), &false.into())
        );

        let output = netpatch(&["verify"]).arg(&pack).output().unwrap();
        let (code, out, _) = outcome(&output);
        assert_eq!(code, Some(1));
        assert!(out.contains("does NOT hold"), "{out}");
    }
}

#[test]
fn wrong_usage_is_two() {
    for wrong in [&["serve", "--bogus"][..], &["verify"], &["nothing"], &[]] {
        let (code, out, err) = outcome(&netpatch(wrong).output().unwrap());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(err.contains("Usage: netpatch"), "{err}");
    }
}

#[test]
fn a_wrong_configuration_is_refused_by_name_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (
        folder.path().join("data"),
        folder.path().join("netpatch.toml"),
    );
    let refused = |more: &[&str], variable: Option<(&str, &str)>, expected: &[&str]| {
        let mut command = netpatch(&["serve"]);
        command
            .arg("--data-dir")
            .arg(&data)
            .args(more)
            .envs(variable);
        let (code, out, err) = outcome(&command.output().unwrap());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        for words in expected {
            assert!(err.contains(words), "{words:?} not in {err}");
        }
        assert!(!data.exists(), "nothing was made");
    };
    std::fs::write(&file, "[http]\nadress = \"127.0.0.1:0\"\n").unwrap();
    let config = ["--config", file.to_str().unwrap()];
    refused(
        &config,
        None,
        &[
            "unknown key http.adress",
            "netpatch.toml, line 2",
            "known here: addr",
        ],
    );
    refused(
        &[],
        Some(("NETPATCH_HTTP__ADRESS", "127.0.0.1:0")),
        &["unknown key http.adress", "NETPATCH_HTTP__ADRESS"],
    );
    refused(
        &["--http", "nowhere"],
        None,
        &["--http: invalid socket address", "http.addr"],
    );
    // Passwords never travel in the clear unless somebody says that a proxy protects them.
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8480"] {
        refused(
            &["--http", address],
            None,
            &[address, "tls.cert", "http.behind_proxy"],
        );
    }
}

#[test]
fn a_data_directory_has_one_platform_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Served::start(&data);
    assert!(
        first.log().contains("bootstrap administrator: "),
        "{}",
        first.log()
    );

    let mut second = netpatch(&["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"]);
    let (code, out, err) = outcome(&second.arg("--data-dir").arg(&data).output().unwrap());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    let expected = format!(
        "another process runs PostgreSQL in {}",
        data.join("postgres").display()
    );
    assert!(err.contains(&expected), "{err}");

    // The tools join it instead.
    let mut status = netpatch(&["feed", "status", "-o", "json"]);
    let (code, out, err) = outcome(&status.arg("--data-dir").arg(&data).output().unwrap());
    assert_eq!(code, Some(0), "{err}");
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["version"], 1);

    assert_eq!(first.stop(), Some(0), "a stop in order is no failure");
    let again = Served::start(&data);
    assert!(
        !again.log().contains("bootstrap administrator"),
        "the password is printed once"
    );
}

#[test]
fn feeds_are_imported_exported_and_imported_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let feed = |arguments: &[&str]| {
        let mut command = netpatch(&["feed"]);
        let output = command
            .args(arguments)
            .arg("--data-dir")
            .arg(&data)
            .output();
        outcome(&output.unwrap())
    };
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/../inventory/data/pack");
    let exported = |name: &str| folder.path().join(name).display().to_string();
    let sums = |name: &str| std::fs::read(folder.path().join(name).join("SHA256SUMS")).unwrap();
    let (code, out, err) = feed(&["import", bundled, "-o", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let status: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status["feeds"].as_array().map(Vec::len), Some(4));
    let (code, out, err) = feed(&["export", &exported("first")]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("8 files of 4 feeds"), "{out}");
    let (code, _, err) = feed(&["import", &exported("first")]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = feed(&["export", &exported("second")]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(sums("first"), sums("second"));
    let (code, _, err) = feed(&["accept"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("feed that waits"), "{err}");
}
