//! The commands that ask a platform: exit codes, words, and an explanation that needs none.

use crate::program::{Served, fed, netpatch, outcome};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

fn pack() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../inventory/data/pack")
}

/// A finding of the bundled pack, as the API would give it.
fn finding() -> Value {
    let text = std::fs::read(pack().join("debian-bookworm/cves.osv.jsonl.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(&text[..]).unwrap()).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("CVE-2023-38545"))
        .unwrap();
    let record: Value = serde_json::from_str(line).unwrap();
    json!({
        "id": "find_x", "hostname": "web-1", "applicability": "INSTALLABLE", "firstSeenAt": "2026-01-01T00:00:00Z",
        "component": {"name": "libcurl4", "version": "7.88.1-10+deb12u1",
            "source": "curl", "sourceVersion": "7.88.1-10+deb12u1",
            "purl": "pkg:deb/debian/libcurl4@7.88.1-10%2Bdeb12u1?arch=amd64&distro=bookworm"},
        "advisory": {"name": "CVE-2023-38545", "summary": "overflow"},
        "evidence": {"feed": "debian-bookworm", "record": record["id"], "rule": "debian-source",
            "recordDigest": netpatch_types::Sha256::of(line.as_bytes()).to_string(),
            "installedVersion": "7.88.1-10+deb12u1", "fixedVersion": "7.88.1-10+deb12u4", "comparator": "dpkg"},
        "risk": {"score": 61.5, "missing": ["epss"], "terms": [{"name": "cvss", "input": "9.8", "points": 61.5}]},
    })
}

fn explained(finding: &Value, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["finding", "explain", "--evidence", "-"], more].concat();
    fed(&arguments, finding.to_string().as_bytes())
}

#[test]
fn a_finding_is_decided_again_without_a_platform() {
    let pack = pack();
    let with_pack = ["--pack", pack.to_str().unwrap()];
    let (code, out, err) = explained(&finding(), &with_pack);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out.matches("  holds ").count(), 4, "{out}");
    assert!(
        out.contains("7.88.1-10+deb12u1 comes before 7.88.1-10+deb12u4 in the order of deb"),
        "{out}"
    );
    assert!(out.contains("nobody gives epss"), "{out}");

    // What `-o json` prints is evidence again.
    let (code, out, _) = explained(&finding(), &["-o", "json"]);
    assert_eq!(code, Some(0), "{out}");
    let (code, again, _) = explained(&serde_json::from_str(&out).unwrap(), &["-o", "json"]);
    assert_eq!((code, again), (Some(0), out));

    // A host that has the fix, and a record that the pack does not have like this.
    let mut fixed = finding();
    fixed["component"]["sourceVersion"] = json!("7.88.1-10+deb12u4");
    fixed["evidence"]["installedVersion"] = json!("7.88.1-10+deb12u4");
    let (code, out, _) = explained(&fixed, &with_pack);
    assert_eq!(code, Some(1), "{out}");
    assert_eq!(out.matches("  FAILS ").count(), 2, "{out}");
    let mut other = finding();
    other["evidence"]["recordDigest"] = json!("00".repeat(32));
    let (code, out, _) = explained(&other, &with_pack);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("another version of"), "{out}");
}

#[test]
fn what_is_no_finding_is_refused_by_name() {
    let mut without = finding();
    without["evidence"].as_object_mut().unwrap().remove("rule");
    let mut no_digest = finding();
    no_digest["evidence"]["recordDigest"] = json!("abc");
    let mut no_purl = finding();
    no_purl["component"]["purl"] = json!("curl 7.88");
    for (wrong, words) in [
        (json!([]), "the finding has no text component.purl"),
        (without, "the finding has no text evidence.rule"),
        (no_digest, "evidence.recordDigest abc is no SHA-256"),
        (no_purl, "package URL does not begin with pkg:"),
    ] {
        let (code, out, err) = explained(&wrong, &[]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{wrong}");
        assert!(err.contains(words), "{err}");
    }
    for hostile in [&b"\xff\xfe"[..], b"{", &[b'['; 200_000]] {
        let (code, out, err) = fed(&["finding", "explain", "--evidence", "-"], hostile);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.contains("not one finding in JSON"), "{err}");
    }
    let (code, _, err) = fed(
        &["finding", "explain", "--evidence", "-"],
        &vec![b' '; 2 << 20],
    );
    assert_eq!(code, Some(1));
    assert!(err.contains("more than 1 MiB"), "{err}");
}

#[test]
fn a_platform_answers_or_the_exit_code_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("data"));
    let url = format!("http://{}", served.http);
    let login = folder.path().join("data/keys/bootstrap-admin");
    let login: Value = serde_json::from_slice(&std::fs::read(login).unwrap()).unwrap();
    let token = sign_in(&url, &login);
    let ask = |arguments: &[&str], url: &str, token: Option<&str>| {
        let mut command: Command = netpatch(arguments);
        command.env("NETPATCH_URL", url);
        command.envs(token.map(|token| ("NETPATCH_TOKEN", token)));
        outcome(&command.output().unwrap())
    };
    let list = ["finding", "list"];
    let (code, out, err) = ask(&list, &url, Some(&token));
    assert_eq!((code, err.as_str()), (Some(0), "no findings\n"), "{out}");
    let (code, out, _) = ask(
        &["finding", "list", "--by", "advisory", "-o", "json"],
        &url,
        Some(&token),
    );
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &listed["groups"]), (Some(0), &json!([])));

    for (arguments, url, token, expected, words) in [
        (&list[..], url.as_str(), None, 4, "NETPATCH_CLIENT_ID"),
        (&list, &url, Some("wrong"), 4, ""),
        (
            &list,
            "http://127.0.0.1:1",
            Some("x"),
            7,
            "cannot be reached",
        ),
        (
            &["finding", "list", "--host", "nobody"],
            &url,
            Some(&*token),
            5,
            "no host nobody",
        ),
        (
            &["host", "show", "nobody"],
            &url,
            Some(&*token),
            5,
            "no host nobody",
        ),
        (
            &["finding", "list", "--organization", "nobody"],
            &url,
            Some(&*token),
            5,
            "no organization nobody",
        ),
        (
            &["finding", "explain", "find_nothing"],
            &url,
            Some(&*token),
            5,
            "no finding find_nothing",
        ),
        (
            &["finding", "list", "--severity", "awful"],
            &url,
            Some(&*token),
            1,
            "AWFUL",
        ),
        (
            &["finding", "list", "--limit", "0"],
            &url,
            Some(&*token),
            2,
            "--limit",
        ),
        (&["finding", "explain"], &url, Some(&*token), 2, "Usage"),
    ] {
        let (code, out, err) = ask(arguments, url, token);
        assert_eq!(
            (code, out.as_str()),
            (Some(expected), ""),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(words), "{arguments:?}: {err}");
    }

    // An API client whose secret is wrong.
    let mut client = netpatch(&["finding", "list", "--client-id", "nobody"]);
    client
        .env("NETPATCH_URL", &url)
        .env("NETPATCH_CLIENT_SECRET", "wrong");
    let (code, _, err) = outcome(&client.output().unwrap());
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("gave no token"), "{err}");
}

pub(crate) fn sign_in(url: &str, login: &Value) -> String {
    let body = json!({"email": login["email"], "password": login["password"], "bearer": true});
    let answer = async {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http
            .post(format!("{url}/auth/sign-in"))
            .json(&body)
            .send()
            .await;
        answer.unwrap().json::<Value>().await.unwrap()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(answer)["token"]
        .as_str()
        .unwrap()
        .to_owned()
}
