//! Findings of whole hosts against an independent reference (debsecan and a matcher of its own), row by row; those of signed
//! kernels, which the reference does not know, against every advisory compared one by one.

use crate::status::{components, fixture, pack_dir};
use netpatch_inventory::domain::advisory::AdvisoryRecord;
use netpatch_inventory::domain::index::MatchIndex;
use netpatch_inventory::domain::subject::Rule;
use netpatch_inventory::pack;
use netpatch_inventory::pack::offline::Offline;
use netpatch_types::ComponentKey;
use netpatch_types::version::compare;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::Path;

/// cve, binary, source, source version, fixed.
type Row = [String; 5];

const HOSTS: [(&str, usize, usize); 4] = [
    ("real-container", 5_321, 0),
    ("all-newest-in-archive", 3_116, 0),
    ("point-release-12.15", 6_845, 5_222),
    ("release-day-2023-06", 24_459, 0),
];

fn row(columns: [&str; 5]) -> Row {
    columns.map(str::to_owned)
}

fn expected(host: &str) -> BTreeSet<Row> {
    fixture(&format!("{host}.expected.tsv"))
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            row(columns.try_into().expect("five columns"))
        })
        .collect()
}

/// Every CVE of the unsigned kernel whose fix is above the binary's version.
fn signed(advisories: &[AdvisoryRecord], components: &[ComponentKey]) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for component in components
        .iter()
        .filter(|one| one.source.starts_with("linux-signed-"))
    {
        for advisory in advisories.iter().filter(|one| one.name.starts_with("CVE-")) {
            let of_kernel = advisory
                .affected
                .iter()
                .filter(|entry| entry.name == "linux");
            for fixed in of_kernel.filter_map(|entry| entry.only_fix()) {
                if compare(component.ecosystem, &component.version, fixed) == Ok(Ordering::Less) {
                    rows.insert(row([
                        &advisory.name,
                        &component.name,
                        "linux",
                        &component.version,
                        fixed,
                    ]));
                }
            }
        }
    }
    rows
}

#[test]
fn findings_of_four_hosts_equal_the_reference() {
    let files = pack::PackFiles::open(Path::new(&pack_dir())).expect("the bundled pack");
    let pack = pack::read(&files, &pack::Rules::default()).expect("the bundled pack");
    let index = MatchIndex::build(pack.aliases.clone(), (0..).zip(&pack.advisories));
    let offline = Offline::open(Path::new(&pack_dir()), false).expect("the bundled pack");
    for (host, plain_count, signed_count) in HOSTS {
        let components = components(&fixture(&format!("{host}.status")));
        let expected = expected(host);
        let kernels = signed(&pack.advisories, &components);
        assert_eq!(
            (expected.len(), kernels.len()),
            (plain_count, signed_count),
            "{host}"
        );
        let (mut plain, mut others) = (BTreeSet::new(), BTreeSet::new());
        for component in &components {
            let hits = index.affected(component).expect("comparable");
            let subject = index.subject(component);
            for interval in hits.intervals {
                let advisory = &pack.advisories[interval.advisory as usize];
                let found = row([
                    &advisory.name,
                    &component.name,
                    &subject.source,
                    subject.version,
                    interval.fixed_version().expect("a fix"),
                ]);
                match hits.rule {
                    _ if !advisory.name.starts_with("CVE-") => false,
                    Rule::DebianSignedBinary => others.insert(found),
                    _ => plain.insert(found),
                };
            }
        }
        assert!(
            plain == expected,
            "{host}: {:?}",
            plain
                .symmetric_difference(&expected)
                .take(5)
                .collect::<Vec<_>>()
        );
        assert!(
            others == kernels,
            "{host}: {:?}",
            others
                .symmetric_difference(&kernels)
                .take(5)
                .collect::<Vec<_>>()
        );
        plain.extend(others);
        // Without a database it is the same, with notices and without.
        for all in [false, true] {
            let matcher = offline.load_debian(&components, all).expect("readable");
            let mut found = BTreeSet::new();
            for component in &components {
                for one in matcher.matches(component).expect("comparable") {
                    if one.advisory.starts_with("CVE-") {
                        found.insert(row([
                            one.advisory,
                            &component.name,
                            &one.package,
                            one.version,
                            one.fixed.expect("a fix"),
                        ]));
                    }
                }
            }
            assert!(
                found == plain,
                "{host}: {:?}",
                found
                    .symmetric_difference(&plain)
                    .take(5)
                    .collect::<Vec<_>>()
            );
        }
    }
}
