//! Microsoft: a document, findings by build, and missing KBs against a peer's answer.

use crate::matching::{bytes, data};
use crate::world::World;
use netpatch_inventory::domain::msrc::supersede::{Supersedence, number};
use netpatch_inventory::domain::msrc::{product, read_document};
use netpatch_inventory_api::*;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::BTreeSet;

const DOCUMENT: &str = "msrc/cvrfDocument-2026-Mar.xml";

fn text(name: &str) -> String {
    String::from_utf8(bytes(&data(&format!("msrc/{name}")))).expect("text")
}

/// The columns of each line that is no comment.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
}

fn kbs(text: &str) -> BTreeSet<u32> {
    text.split([' ', ';', ',']).filter_map(number).collect()
}

#[test]
fn a_document_gives_cves_kbs_and_fixed_builds() {
    let document =
        read_document(&String::from_utf8(bytes(&data(DOCUMENT))).unwrap()).expect("read");
    let records = &document.records.records;
    let names: Vec<_> = records.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(names, ["CVE-2026-30001", "CVE-2026-30002"]);
    assert_eq!(records[0].summary, "Spooler & Fax Elevation of Privilege");
    assert_eq!(records[0].vendor_refs, ["KB5078737", "KB5078766"]);
    assert_eq!(records[0].affected.len(), 2);
    assert_eq!(records[0].affected[0].note, "KB5078766");
    assert!(records[0].published_at.is_some());
    assert_eq!(
        document.superseded,
        [(5_078_766, 5_075_906), (5_078_737, 5_075_943)]
    );
    assert_ne!(records[0].digest, records[1].digest);
}

fn windows(name: &str, build: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Windows,
        distribution: "microsoft".into(),
        release: String::new(),
        name: name.into(),
        version: build.into(),
        arch: "amd64".into(),
        source: name.into(),
        source_version: build.into(),
    }
}

#[tokio::test]
async fn a_windows_host_is_matched_by_build_and_revision() {
    let world = World::direct().await;
    let folder = world.pack.path().join("microsoft");
    std::fs::create_dir_all(&folder).expect("folder");
    std::fs::copy(data(DOCUMENT), folder.join("cvrfDocument-2026-Mar.xml")).expect("copied");
    world.import().await;
    let name = product::name(
        "Microsoft Windows Server 2022 Standard",
        "20348",
        "x64",
        false,
    );
    let name = name.expect("known");
    let host = world.host(1, &[]).await;
    for (build, is_open) in [
        ("10.0.20348.4773", true),
        // The month's hotpatch, which has a lower build than the month's update.
        ("10.0.20348.4830", false),
        ("10.0.20348.4892", true),
        ("10.0.20348.4893", false),
        ("10.0.20348.5499", false),
    ] {
        world.report(host, vec![windows(&name, build)]).await;
        let findings = world.findings(FindingFilter::default()).await;
        assert_eq!(!findings.is_empty(), is_open, "{build}");
        for finding in findings {
            assert_eq!(finding.evidence.fixed_version, "10.0.20348.4893");
            assert_eq!(finding.evidence.comparator, "windows");
            assert_eq!(finding.advisory.cvss_score, Some(7.0));
        }
    }
}

/// The peer knows only what the KBs of half a year supersede directly, so it lists some that newer missing ones, or installed ones, close
/// by a chain through older KBs. Every other KB is the same.
#[test]
fn missing_kbs_are_the_peers_without_those_that_a_chain_closes() {
    let table = text("supersedes.tsv.zst");
    let all: Supersedence = rows(&table)
        .filter_map(|row| Some((number(row[0])?, number(row[1])?)))
        .collect();
    let applicable = text("applicable.tsv.zst");
    let hosts = text("hosts.tsv");
    let (mut same, mut closed) = (0, 0);
    for row in rows(&hosts) {
        let name = product::name(row[1], row[2], row[3], false).expect("known");
        let offered: BTreeSet<u32> = rows(&applicable)
            .filter(|row| row[0] == name)
            .filter_map(|row| number(row[1]))
            .collect();
        let (installed, peer) = (kbs(row[4]), kbs(row[5]));
        let missing = all.missing(offered.clone(), installed.clone());
        assert!(missing.is_subset(&peer), "{}: {missing:?} {peer:?}", row[0]);
        let by_chain = all.closed_by(missing.iter().chain(&installed).copied());
        for kb in peer.difference(&missing) {
            assert!(
                by_chain.contains(kb) || !offered.contains(kb),
                "{}: KB{kb}",
                row[0]
            );
            closed += 1;
        }
        same += missing.len();
    }
    assert_eq!((same, closed), (34, 26));
}
