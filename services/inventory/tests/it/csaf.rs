//! CSAF and VEX: the validator's own test data, documents in the shape of two vendors, and what they do to findings.

use crate::matching::{bytes, data};
use crate::world::{World, component};
use netpatch_inventory::domain::advisory::AdvisoryRecord;
use netpatch_inventory::domain::affected::{Affected, Status};
use netpatch_inventory::domain::csaf::{gather, read_document};
use netpatch_inventory::domain::enrich::Enrichment;
use netpatch_inventory_api::*;
use netpatch_types::{ComponentKey, Ecosystem};
use serde_json::Value;
use std::collections::HashMap;

/// The mandatory tests of CSAF without which an id may mean two things or none; the other tests are about how a document is written,
/// not about what may be read out of it.
const OURS: [&str; 7] = [
    "6.1.1", "6.1.2", "6.1.3", "6.1.4", "6.1.5", "6.1.6", "6.1.13",
];

fn lines(name: &str) -> Vec<Value> {
    let text = String::from_utf8(bytes(&data(&format!("csaf/{name}.jsonl.zst")))).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect()
}

#[test]
fn the_validators_test_data_is_told_apart_as_the_committee_says() {
    let mut seen: HashMap<&str, (u32, u32)> = HashMap::new();
    for version in ["2.0", "2.1"] {
        let expected: HashMap<String, Value> = lines(&format!("csaf_{version}-expected"))
            .into_iter()
            .map(|line| {
                let file = line["file"].as_str().expect("a name").to_owned();
                (file, line["checks"].clone())
            })
            .collect();
        for line in lines(&format!("csaf_{version}-documents")) {
            let file = line["file"].as_str().expect("a name");
            // What is wrong with it, by the number of the test; a document that is fine in our eyes has nothing.
            let wrong = match read_document(&line["document"].to_string()) {
                Ok(document) => document.problem.unwrap_or_default(),
                Err(refused) => refused,
            };
            for check in expected[file].as_array().expect("checks") {
                let (id, passes) = (check[0].as_str().unwrap(), check[1].as_bool().unwrap());
                let Some(ours) = OURS.iter().find(|ours| **ours == id) else {
                    continue;
                };
                let fails = wrong.contains(&format!("{id}: "));
                assert_eq!(fails, !passes, "{version} {file}: {wrong}");
                let count = seen.entry(ours).or_default();
                if passes {
                    count.0 += 1;
                } else {
                    count.1 += 1;
                }
            }
        }
    }
    // Each of the tests was seen to fail, and all answers are the committee's.
    assert!(OURS.iter().all(|id| seen[id].1 > 0), "{seen:?}");
    let all: u32 = seen.values().map(|(passed, failed)| passed + failed).sum();
    assert_eq!(all, 47, "{seen:?}");
}

fn vendors() -> Vec<AdvisoryRecord> {
    let read = |name: &str| {
        let text: Value =
            serde_json::from_slice(&bytes(&data(&format!("csaf/{name}")))).expect("json");
        read_document(&text.to_string()).expect("readable")
    };
    let documents = vec![read("redhat-vex.json"), read("suse-advisory.json")];
    gather("csaf-test", documents, &Enrichment::default())
}

fn of<'a>(advisory: &'a AdvisoryRecord, codename: &str) -> Vec<&'a Affected> {
    let entries = advisory.affected.iter();
    entries
        .filter(|entry| entry.release.codename == codename)
        .collect()
}

#[test]
fn the_four_states_of_a_vex_document_are_read() {
    let all = vendors();
    let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["CVE-2026-20001", "CVE-2026-20002"]);
    let [fixed, affected] = of(&all[0], "9")[..] else {
        panic!("{:?}", all[0].affected);
    };
    assert_eq!(
        affected.only_fix().or(fixed.only_fix()),
        Some("7.76.1-31.el9_5.1")
    );
    assert!([fixed.status, affected.status].contains(&Status::Fixed));
    let [not] = of(&all[0], "8")[..] else {
        panic!("{:?}", all[0].affected);
    };
    assert_eq!(
        (not.status, not.name.as_str(), not.note.as_str()),
        (
            Status::NotAffected,
            "src:curl",
            "vulnerable_code_not_present"
        )
    );
    let [open] = of(&all[0], "7")[..] else {
        panic!("{:?}", all[0].affected);
    };
    assert_eq!(
        (open.status, open.note.as_str()),
        (Status::Affected, "no_fix_planned")
    );
    assert_eq!(of(&all[0], "6")[0].status, Status::UnderInvestigation);
    assert_eq!(all[0].vendor_refs, ["RHSA-2026:0042"]);
    assert_eq!(all[0].cvss_score, Some(8.1));
    // A bulletin's name is a reference, and "recommended" alone says nothing of the version before.
    assert_eq!(all[1].vendor_refs, ["SUSE-SU-2026:0100-1"]);
    assert_eq!(of(&all[1], "15.5").len(), 2);
}

fn rpm(name: &str, version: &str, release: &str, source: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Rpm,
        distribution: "rhel".into(),
        release: release.into(),
        ..component(name, version, source)
    }
}

/// What OSV says of RHEL's curl, which is more than the vendor does.
fn osv() -> String {
    let of = |release: &str, name: &str| {
        serde_json::json!({"package": {"ecosystem": format!("Red Hat:enterprise_linux:{release}::baseos"), "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]})
    };
    let affected: Vec<_> = ["7", "8", "9"].map(|release| of(release, "libcurl")).into();
    serde_json::json!({"id": "OSV-2026-1", "related": ["CVE-2026-20001"], "affected": affected})
        .to_string()
}

#[tokio::test]
async fn a_vendors_word_closes_and_reopens_what_another_feed_says() {
    for world in World::both().await {
        let write = |path: &str, text: String| {
            let path = world.pack.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            std::fs::write(path, text).expect("file");
        };
        write("osv/redhat.jsonl", osv());
        world.import().await;
        let host = world.host(1, &[]).await;
        let installed = vec![
            rpm("libcurl", "7.61.1-34.el8", "8", "curl"),
            rpm("libcurl", "7.76.1-31.el9_5.1", "9", "curl"),
            rpm("libcurl", "7.76.1-29.el9", "9", "curl"),
        ];
        world.report(host, installed).await;
        let open = async || {
            let mut all: Vec<_> = world
                .findings(FindingFilter::default())
                .await
                .into_iter()
                .map(|one| {
                    (
                        one.component.version,
                        one.evidence.feed,
                        one.evidence.fixed_version,
                    )
                })
                .collect();
            all.sort();
            all
        };
        assert_eq!(open().await.len(), 3);
        let vex: Value =
            serde_json::from_slice(&bytes(&data("csaf/redhat-vex.json"))).expect("json");
        write("csaf/redhat.jsonl", vex.to_string());
        world.import().await;
        // 8 is not affected, the newer 9 carries the fix; the older 9 is told by both.
        let told = |feed: &str, fixed: &str| {
            (
                "7.76.1-29.el9".to_owned(),
                feed.to_owned(),
                fixed.to_owned(),
            )
        };
        assert_eq!(
            open().await,
            [
                told("csaf-redhat", "7.76.1-31.el9_5.1"),
                told("osv-redhat", "")
            ]
        );
        // The closed ones say whose word it was.
        let mut words: Vec<_> = world
            .findings(FindingFilter {
                resolved: true,
                ..FindingFilter::default()
            })
            .await
            .into_iter()
            .filter_map(|one| one.evidence.cleared_by)
            .map(|by| (by.status, by.feed, by.record))
            .collect();
        words.sort();
        let word = |status: &str| {
            (
                status.to_owned(),
                "csaf-redhat".to_owned(),
                "CVE-2026-20001".to_owned(),
            )
        };
        assert_eq!(words, [word("fixed"), word("not_affected")]);
        // The vendor changes its mind.
        let text = vex
            .to_string()
            .replace("known_not_affected", "under_investigation_");
        write("csaf/redhat.jsonl", text);
        world.import().await;
        assert_eq!(open().await.len(), 3);
    }
}
