//! Published version constraints, as far as they are comparisons: `>= 1, < 2 || 3`.

use crate::vectors::{assert_only_known_differences, read};
use netpatch_types::Ecosystem;
use netpatch_types::version::Version;
use serde::Deserialize;
use std::cmp::Ordering;

const FILES: [(&str, Ecosystem); 9] = [
    ("grype-apk-constraints.jsonl", Ecosystem::Apk),
    ("grype-deb-constraints.jsonl", Ecosystem::Deb),
    ("grype-gem-constraints.jsonl", Ecosystem::Gem),
    ("grype-golang-constraints.jsonl", Ecosystem::Golang),
    ("grype-maven-constraints.jsonl", Ecosystem::Maven),
    ("grype-pep440-constraints.jsonl", Ecosystem::Pypi),
    ("grype-portage-constraints.jsonl", Ecosystem::Apk),
    ("grype-rpm-constraints.jsonl", Ecosystem::Rpm),
    ("grype-semantic-constraints.jsonl", Ecosystem::Generic),
];

#[derive(Deserialize)]
struct Case {
    version: String,
    constraint: String,
    satisfied: bool,
}

/// `None` when a text is no version.
fn is_satisfied(ecosystem: Ecosystem, case: &Case) -> Option<bool> {
    let version = Version::parse(ecosystem, &case.version).ok()?;
    if case.constraint.trim().is_empty() {
        return Some(true);
    }
    let mut any = false;
    for alternative in case.constraint.split("||") {
        let mut all = true;
        for bound in alternative.split(',').map(str::trim) {
            let start = bound.find(|c| !"<>=!".contains(c))?;
            let (operator, text) = bound.split_at(start);
            let order = version
                .compare(&Version::parse(ecosystem, text.trim()).ok()?)
                .expect("of one ecosystem");
            all &= match operator {
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                ">=" => order != Ordering::Less,
                "=" | "==" | "" => order == Ordering::Equal,
                "!=" => order != Ordering::Equal,
                _ => return None,
            };
        }
        any |= all;
    }
    Some(any)
}

#[test]
fn published_constraints_hold() {
    let mut different = Vec::new();
    for (name, ecosystem) in FILES {
        for line in read("versions", name).lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            let got = is_satisfied(ecosystem, &case);
            if got != Some(case.satisfied) {
                let got = got.map_or("invalid", |got| if got { "yes" } else { "no" });
                different.push(format!(
                    "{name}\t{got}\t{}\t{}",
                    case.version, case.constraint
                ));
            }
        }
    }
    assert_only_known_differences("constraint", &different);
}
