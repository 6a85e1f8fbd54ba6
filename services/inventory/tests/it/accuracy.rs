//! Findings of whole hosts against an independent reference (debsecan and a matcher of its own), CVE by CVE.

use crate::status::{components, fixture, pack_dir};
use netpatch_inventory::domain::advisory::AdvisoryRecord;
use netpatch_inventory::domain::index::{MatchIndex, Rule};
use netpatch_inventory::pack;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

type Row = (String, String, String, String);

fn expected(host: &str) -> BTreeSet<Row> {
    fixture(&format!("{host}.expected.tsv"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            (
                columns[0].into(),
                columns[1].into(),
                columns[2].into(),
                columns[4].into(),
            )
        })
        .collect()
}

/// Findings by CVE of components that the reference matches too, and apart from them those of signed packages.
fn found(
    advisories: &[AdvisoryRecord],
    index: &MatchIndex,
    host: &str,
) -> (BTreeSet<Row>, BTreeSet<Row>) {
    let (mut plain, mut signed) = (BTreeSet::new(), BTreeSet::new());
    for component in components(&fixture(&format!("{host}.status"))) {
        let (intervals, rule) = index.affected(&component).expect("comparable");
        for interval in intervals {
            let advisory = &advisories[interval.advisory as usize];
            if !advisory.name.starts_with("CVE-") {
                continue;
            }
            let source = index.subject(&component).source.into_owned();
            let row = (
                advisory.name.clone(),
                component.name.clone(),
                source,
                interval.fixed_version.to_string(),
            );
            match rule {
                Rule::DebianSource => plain.insert(row),
                Rule::DebianSignedBinary => signed.insert(row),
            };
        }
    }
    (plain, signed)
}

#[test]
fn findings_of_four_hosts_equal_the_reference() {
    let pack = pack::read(Path::new(&pack_dir()), &HashMap::new()).expect("the bundled pack");
    let index = MatchIndex::build(
        pack::release(),
        pack.aliases.clone(),
        (0..).zip(&pack.advisories),
    );
    for (host, count) in [
        ("real-container", 5321),
        ("all-newest-in-archive", 3116),
        ("point-release-12.15", 6845),
        ("release-day-2023-06", 24459),
    ] {
        let expected = expected(host);
        assert_eq!(expected.len(), count, "{host}");
        let (plain, signed) = found(&pack.advisories, &index, host);
        let missed: Vec<_> = expected
            .difference(&plain)
            .filter(|row| !signed.contains(*row))
            .take(5)
            .collect();
        let extra: Vec<_> = plain.difference(&expected).take(5).collect();
        assert!(
            missed.is_empty() && extra.is_empty(),
            "{host}: missed {missed:?}, extra {extra:?}"
        );
        println!(
            "{host}: {} equal, {} of signed packages",
            plain.len(),
            signed.len()
        );
    }
}
