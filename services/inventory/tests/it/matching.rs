//! Packages of registries and of AlmaLinux against answers of the ecosystems' own tools, straight from feeds.

use netpatch_inventory::domain::affected::Release;
use netpatch_inventory::pack::offline::{Matcher, Offline};
use netpatch_types::{ComponentKey, Ecosystem, release_name};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A folder of test data.
pub(crate) fn data(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

/// A file of test data, unpacked if it is packed.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("test data");
    if path.extension().is_some_and(|end| end == "zst") {
        zstd::stream::decode_all(bytes.as_slice()).expect("zstd")
    } else {
        bytes
    }
}

fn text(name: &str) -> String {
    String::from_utf8(bytes(&data(&format!("match/{name}.zst")))).expect("text")
}

fn matcher(feed: &str, informational: bool) -> Matcher {
    let pack = Offline::open(&data("pack"), informational).expect("the pack");
    let matcher = pack.load(feed).expect("readable").expect("in the pack");
    // Two records of PyPA have a fixing version that PEP 440 does not know, and no list of versions.
    let unreadable = if feed == "pypi" { 2 } else { 0 };
    assert_eq!(matcher.skipped, unreadable, "{feed}: {:?}", matcher.problem);
    matcher
}

fn component(release: &Release, name: &str, version: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: release.ecosystem,
        distribution: release.distribution.clone(),
        release: release.codename.clone(),
        name: name.into(),
        version: version.into(),
        arch: String::new(),
        source: name.into(),
        source_version: version.into(),
    }
}

fn found(matcher: &Matcher, component: &ComponentKey) -> BTreeSet<String> {
    let matches = matcher.matches(component).expect("comparable");
    matches.iter().map(|one| one.advisory.to_owned()).collect()
}

fn release(ecosystem: &str) -> Release {
    match ecosystem.split_once(':') {
        Some(("AlmaLinux", version)) => Release::os(
            Ecosystem::Rpm,
            "almalinux",
            &release_name("almalinux", version),
        ),
        _ if ecosystem == "PyPI" => Release::registry(Ecosystem::Pypi),
        _ => Release::registry(Ecosystem::Npm),
    }
}

#[test]
fn recorded_answers_of_the_ecosystems_tools_hold() {
    for (feed, count) in [("almalinux", 2_910), ("npm", 655), ("pypi", 2_449)] {
        let matcher = matcher(feed, false);
        let mut all = 0;
        for line in text(&format!("{feed}.jsonl")).lines() {
            let case: Value = serde_json::from_str(line).expect("a case");
            let field = |name: &str| case[name].as_str().expect("text");
            let component = component(
                &release(field("ecosystem")),
                field("name"),
                field("version"),
            );
            let expected: BTreeSet<String> =
                serde_json::from_value(case["expected"].clone()).expect("ids");
            all += expected.len();
            assert_eq!(found(&matcher, &component), expected, "{line}");
        }
        assert_eq!(all, count, "{feed}");
    }
}

#[test]
fn three_lock_files_have_what_cargo_audit_says() {
    let (matcher, informational) = (matcher("crates", false), matcher("crates", true));
    for (name, count) in [("firezone", 2), ("neon", 29), ("quickwit", 10)] {
        let lock: Value =
            serde_json::from_str(&text(&format!("crates-{name}.json"))).expect("a lock file");
        let rows = |key: &str| -> BTreeSet<Vec<String>> {
            let rows: Vec<Vec<String>> = serde_json::from_value(lock[key].clone()).expect("rows");
            rows.into_iter()
                .filter(|row| row.last().is_none_or(|id| id != "yanked"))
                .collect()
        };
        let (mut vulnerable, mut told) = (BTreeSet::new(), BTreeSet::new());
        for package in rows("packages") {
            let component = component(
                &Release::registry(Ecosystem::Cargo),
                &package[0],
                &package[1],
            );
            let row = |id: String| vec![package[0].clone(), package[1].clone(), id];
            vulnerable.extend(found(&matcher, &component).into_iter().map(row));
            let all = informational.matches(&component).expect("comparable");
            let kinds = all.iter().filter(|one| one.informational.is_some());
            told.extend(kinds.map(|one| row(one.advisory.to_owned())));
        }
        assert_eq!(vulnerable.len(), count, "{name}");
        assert_eq!(vulnerable, rows("expected_vulnerabilities"), "{name}");
        assert_eq!(told, rows("expected_informational"), "{name}");
    }
}

#[test]
fn what_people_call_false_is_not_found_and_what_the_feed_has_is() {
    let matcher = matcher("almalinux", false);
    let release = Release::os(Ecosystem::Rpm, "almalinux", "8");
    let cves = |name: &str, version: &str| -> BTreeSet<String> {
        let component = component(&release, name, version);
        let matches = matcher.matches(&component).expect("comparable");
        matches
            .iter()
            .flat_map(|one| one.cves)
            .map(ToString::to_string)
            .collect()
    };
    let (mut right, mut known) = (0, 0);
    for line in text("anchore-almalinux.jsonl").lines() {
        let label: Value = serde_json::from_str(line).expect("a label");
        let field = |name: &str| label[name].as_str().expect("text");
        // Six are of Python's package `rpm` in the image, not of an rpm.
        if !field("version").contains(".el8") {
            continue;
        }
        let is_found = cves(field("package"), field("version")).contains(field("cve"));
        match field("label") {
            "TP" if cves(field("package"), "0").contains(field("cve")) => {
                known += 1;
                right += usize::from(is_found);
            }
            "FP" => assert!(!is_found, "{line}"),
            _ => {}
        }
    }
    assert_eq!((right, known), (83, 83));
}

#[test]
fn alpine_is_matched_by_its_origin() {
    let matcher = matcher("alpine", false);
    let release = Release::os(Ecosystem::Apk, "alpine", "3.11");
    let of_origin = |version: &str| {
        let mut component = component(&release, "libcrypto1.1", version);
        component.source = "openssl".into();
        found(&matcher, &component)
    };
    assert!(of_origin("1.1.1d-r2").contains("CVE-2019-1551"));
    assert!(!of_origin("1.1.1d-r3").contains("CVE-2019-1551"));
}
