//! What is a version and what is not.

use crate::vectors::{assert_only_known_differences, lines, read};
use netpatch_types::Ecosystem;
use netpatch_types::version::{MAX_VERSION_BYTES, Version};
use serde_json::Value;

#[test]
fn the_tools_refuse_what_is_refused_here() {
    let mut different = Vec::new();
    let mut expect = |name: &str, ecosystem, text: &str, valid: bool| {
        if Version::parse(ecosystem, text).is_ok() != valid {
            different.push(format!(
                "{name}\t{}\t{text}",
                if valid { "invalid" } else { "valid" }
            ));
        }
    };
    for line in lines(&read("versions", "apk-validity.tsv")) {
        let refused = line.strip_prefix('!');
        expect(
            "apk-validity.tsv",
            Ecosystem::Apk,
            refused.unwrap_or(line),
            refused.is_none(),
        );
    }
    for (name, ecosystem) in [
        ("dpkg-parse.jsonl", Ecosystem::Deb),
        ("pep440-invalid.jsonl", Ecosystem::Pypi),
    ] {
        for line in read("versions", name).lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let text = case["version"].as_str().unwrap();
            expect(name, ecosystem, text, case["valid"].as_bool().unwrap());
        }
    }
    for (name, valid) in [
        ("semver-valid-versions.jsonl", true),
        ("semver-invalid-versions.jsonl", false),
    ] {
        for line in read("versions", name).lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            expect(name, Ecosystem::Npm, case[0].as_str().unwrap(), valid);
        }
    }
    assert_only_known_differences("validity", &different);
}

#[test]
fn a_long_text_is_no_version_of_anything() {
    for ecosystem in Ecosystem::ALL {
        let longest = format!("{}.1.1", "1".repeat(MAX_VERSION_BYTES - 4));
        let error = Version::parse(ecosystem, &format!("{longest}1")).unwrap_err();
        assert_eq!(
            (error.ecosystem, error.text.len()),
            (ecosystem.as_str(), 80)
        );
        let fits = Version::parse(ecosystem, &longest).is_ok();
        // Numbers of these are limited, by their own definition or by that of their library.
        let limited = matches!(
            ecosystem,
            Ecosystem::Pypi
                | Ecosystem::Npm
                | Ecosystem::Cargo
                | Ecosystem::Golang
                | Ecosystem::Pub
                | Ecosystem::Hex
        );
        assert_eq!(fits, !limited, "{ecosystem}");
    }
}
