//! `netpatch match`: what scripts compare, byte by byte.

use crate::program::{netpatch, outcome};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn inventory(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../inventory")
        .join(path)
}

fn unpacked(path: &str) -> Vec<u8> {
    let bytes = std::fs::read(inventory(path)).unwrap();
    zstd::decode_all(bytes.as_slice()).unwrap()
}

/// Runs it with an input; exit code, stdout, stderr.
fn run(pack: &str, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = netpatch(&["match"])
        .arg("--pack")
        .arg(inventory(pack))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    outcome(&output)
}

#[test]
fn a_status_file_gives_the_recorded_table() {
    let status = unpacked("tests/data/hosts/real-container.status.zst");
    let expected = unpacked("tests/data/hosts/real-container.expected.tsv.zst");
    let expected = String::from_utf8(expected).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("status");
    std::fs::write(&file, &status).unwrap();
    let named = file.to_str().unwrap();
    for (arguments, input) in [
        (["--dpkg-status", named], &[][..]),
        (["--dpkg-status", "-"], &status),
    ] {
        let (code, out, err) = run("data/pack", &arguments, input);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out == expected, "{} lines", out.lines().count());
    }
}

#[test]
fn signed_kernels_are_found_unless_left_out() {
    let status = "Package: linux-image-amd64\nStatus: install ok installed\nArchitecture: amd64\n\
        Source: linux-signed-amd64 (6.1.170+3)\nVersion: 6.1.170-3\n";
    let (code, out, _) = run("data/pack", &["--dpkg-status", "-"], status.as_bytes());
    assert_eq!(code, Some(0));
    assert_eq!(out.lines().count(), 1 + 3_116);
    assert!(
        out.contains("\tlinux-image-amd64\tlinux\t6.1.170-3\t"),
        "{out}"
    );
    let without = ["--dpkg-status", "-", "--without-signed"];
    let (_, out, _) = run("data/pack", &without, status.as_bytes());
    assert_eq!(out.lines().count(), 1);
}

#[test]
fn package_urls_give_their_advisories_in_the_order_of_the_input() {
    let purls = "pkg:npm/bassmaster@1.5.1\n# a comment\n\npkg:npm/bassmaster@1.5.2\npkg:cargo/rsa@0.9.10\n\
        pkg:pypi/Django@1.5.8?x=1\npkg:rpm/almalinux/dbus@1.12.8-14.el8?epoch=1";
    let (code, out, err) = run("tests/data/pack", &["--purls", "-"], purls.as_bytes());
    assert_eq!(code, Some(0));
    // Two records of PyPA cannot be read; that is no fault of the input.
    assert!(
        err.lines().count() == 1 && err.contains("2 records of the pack"),
        "{err}"
    );
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "pkg:npm/bassmaster@1.5.1\tNSWG-ECO-1",
            "pkg:cargo/rsa@0.9.10\tRUSTSEC-2023-0071"
        ]
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("pkg:pypi/Django@1.5.8?x=1\tPYSEC-"))
            .count(),
        20
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("pkg:rpm/almalinux/dbus") && line.contains("\tALSA-"))
    );
}

#[test]
fn further_databases_of_the_pack_are_asked_about_everything() {
    let pack = tempfile::tempdir().unwrap();
    let osv = pack.path().join("osv");
    std::fs::create_dir(&osv).unwrap();
    let record = r#"{"id":"GHSA-jfh8-c2jp-5v3q","aliases":["CVE-2021-44228"],"affected":[{"package":{"ecosystem":"Maven","name":"org.apache.logging.log4j:log4j-core"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2.13.0"},{"fixed":"2.15.0"}]}]}]}"#;
    std::fs::write(osv.join("maven.jsonl"), record).unwrap();
    let purls = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1\npkg:maven/org.apache.logging.log4j/log4j-core@2.15.0\n\
        pkg:golang/golang.org/x/net@0.1.0\n";
    let pack = pack.path().to_str().unwrap();
    let (code, out, err) = run(pack, &["--purls", "-"], purls.as_bytes());
    assert_eq!(
        (code, out.as_str()),
        (
            Some(3),
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1\tGHSA-jfh8-c2jp-5v3q\n"
        )
    );
    // Silence would say "clean".
    assert!(
        err.contains("line 3: no feed of the pack speaks of"),
        "{err}"
    );
}

#[test]
fn what_cannot_be_judged_is_told_with_its_line_and_the_rest_judged() {
    let purls = b"nothing\npkg:npm/bassmaster@1.5.1\npkg:npm/\xff@1\npkg:npm/a\npkg:maven/a/b@1\n";
    let (code, out, err) = run("tests/data/pack", &["--purls", "-"], purls);
    assert_eq!(
        (code, out.as_str()),
        (Some(3), "pkg:npm/bassmaster@1.5.1\tNSWG-ECO-1\n")
    );
    for words in [
        "line 1: ",
        "line 3: not UTF-8",
        "line 4: package URL has no version",
        "line 5: no feed",
    ] {
        assert!(err.contains(words), "{words:?} not in {err}");
    }
    // The smaller pack has no npm feed: silence would say "clean".
    let (code, out, err) = run(
        "data/pack",
        &["--purls", "-"],
        b"pkg:npm/bassmaster@1.5.1\n",
    );
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.contains("line 1: the pack has no feed npm"), "{err}");
    let (code, _, err) = run(
        "data/pack",
        &["--dpkg-status", "-"],
        b"Package: a\n\nno field\n",
    );
    assert_eq!(code, Some(3));
    assert!(
        err.contains("line 1: ") && err.contains("line 3: "),
        "{err}"
    );
    let (code, _, err) = run("absent", &["--purls", "-"], b"");
    assert_eq!(code, Some(1));
    assert!(err.contains("absent"), "{err}");
    let (code, ..) = run("data/pack", &[], b"");
    assert_eq!(code, Some(2));
}
