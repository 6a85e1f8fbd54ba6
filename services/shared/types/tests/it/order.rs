//! Every published comparison. What differs is listed with its reason in `differences.tsv`, and nothing else may differ.

use crate::vectors::{assert_only_known_differences, cases, read};
use netpatch_types::Ecosystem;
use netpatch_types::version::Version;
use std::cmp::Ordering;

/// Which file holds comparisons of which ecosystem. Gentoo's order is that of apk, which took it over.
const FILES: [(&str, Ecosystem); 32] = [
    ("apk.tsv", Ecosystem::Apk),
    ("dpkg.tsv", Ecosystem::Deb),
    ("grype-gem-compare.tsv", Ecosystem::Gem),
    ("grype-portage-compare.tsv", Ecosystem::Apk),
    ("grype-rpm-compare.tsv", Ecosystem::Rpm),
    ("maven.tsv", Ecosystem::Maven),
    ("packagist.tsv", Ecosystem::Composer),
    ("pep440-order.tsv", Ecosystem::Pypi),
    ("real-almalinux-evr.tsv", Ecosystem::Rpm),
    ("real-debian.tsv", Ecosystem::Deb),
    ("real-pypi.tsv", Ecosystem::Pypi),
    ("rpmvercmp.tsv", Ecosystem::Rpm),
    ("scalibr-alpine-versions-generated.tsv", Ecosystem::Apk),
    ("scalibr-alpine-versions.tsv", Ecosystem::Apk),
    ("scalibr-cran-versions-generated.tsv", Ecosystem::Cran),
    ("scalibr-cran-versions.tsv", Ecosystem::Cran),
    ("scalibr-debian-versions-generated.tsv", Ecosystem::Deb),
    ("scalibr-debian-versions.tsv", Ecosystem::Deb),
    ("scalibr-hackage-versions.tsv", Ecosystem::Hackage),
    ("scalibr-maven-versions-generated.tsv", Ecosystem::Maven),
    ("scalibr-maven-versions.tsv", Ecosystem::Maven),
    ("scalibr-nuget-versions.tsv", Ecosystem::Nuget),
    (
        "scalibr-packagist-versions-generated.tsv",
        Ecosystem::Composer,
    ),
    ("scalibr-packagist-versions.tsv", Ecosystem::Composer),
    ("scalibr-pub-versions.tsv", Ecosystem::Pub),
    ("scalibr-pypi-versions-generated.tsv", Ecosystem::Pypi),
    ("scalibr-pypi-versions.tsv", Ecosystem::Pypi),
    ("scalibr-redhat-versions.tsv", Ecosystem::Rpm),
    ("scalibr-rubygems-versions-generated.tsv", Ecosystem::Gem),
    ("scalibr-rubygems-versions.tsv", Ecosystem::Gem),
    ("scalibr-semver-versions.tsv", Ecosystem::Generic),
    ("semver-npm", Ecosystem::Npm),
];

#[test]
fn every_published_comparison_holds() {
    let mut different = Vec::new();
    let mut count = 0;
    for (name, ecosystem) in FILES {
        let file = match name {
            "semver-npm" => "scalibr-semver-versions.tsv",
            name => name,
        };
        for case in cases(&read("versions", file)) {
            count += 1;
            let version = |text| Version::parse(ecosystem, text).ok();
            let got = version(case.left).zip(version(case.right));
            let got = got.map(|(left, right)| {
                let order = left.compare(&right).unwrap();
                assert_eq!(right.compare(&left), Ok(order.reverse()), "{}", case.line);
                order
            });
            if got != Some(case.expected) {
                let got = match got {
                    None => "invalid",
                    Some(Ordering::Less) => "<",
                    Some(Ordering::Equal) => "=",
                    Some(Ordering::Greater) => ">",
                };
                different.push(format!("{name}\t{got}\t{}", case.line));
            }
        }
    }
    assert_eq!(count, 63_235, "no vector was lost");
    assert_only_known_differences("order", &different);
}

#[test]
fn node_semver_agrees_on_order_and_equality() {
    let lines = |name| -> Vec<serde_json::Value> {
        let text = read("versions", name);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let version = |text: &serde_json::Value| {
        let text = text.as_str().unwrap();
        Version::parse(Ecosystem::Npm, text).expect(text)
    };
    for case in lines("semver-comparisons.jsonl") {
        assert!(version(&case[0]) > version(&case[1]), "{case}");
    }
    for case in lines("semver-equality.jsonl") {
        assert_eq!(version(&case[0]), version(&case[1]), "{case}");
    }
}

#[test]
fn python_normal_forms_are_equal_to_what_they_are_of() {
    for line in read("versions", "pep440-normalize.tsv").lines().skip(1) {
        let (text, normal) = line.rsplit_once('\t').unwrap();
        let version = |text| Version::parse(Ecosystem::Pypi, text).expect(line);
        assert_eq!(version(text), version(normal), "{line}");
    }
}
