use super::*;
use crate::domain::advisory::AdvisoryRecord;
use crate::domain::affected::{Affected, End, Prereleases, Range, Status};
use netpatch_types::Ecosystem;

fn advisory(name: &str, source: &str, fixed: &str) -> AdvisoryRecord {
    AdvisoryRecord {
        name: name.into(),
        affected: vec![Affected::below(bookworm(), source, fixed)],
        ..AdvisoryRecord::default()
    }
}

fn bookworm() -> Release {
    Release::os(Ecosystem::Deb, "debian", "bookworm")
}

fn component(name: &str, version: &str, source: &str, source_version: &str) -> ComponentKey {
    ComponentKey {
        ecosystem: Ecosystem::Deb,
        distribution: "debian".into(),
        release: "bookworm".into(),
        name: name.into(),
        version: version.into(),
        arch: "amd64".into(),
        source: source.into(),
        source_version: source_version.into(),
    }
}

fn index(advisories: &[AdvisoryRecord]) -> MatchIndex {
    let aliases =
        Aliases::parse("#signed\tsource\nshim-signed\tshim\trest\nlinux-signed-amd64\tlinux\n");
    MatchIndex::build(aliases, (0..).zip(advisories))
}

fn numbers(index: &MatchIndex, component: &ComponentKey) -> Vec<u32> {
    let mut numbers: Vec<u32> = index
        .affected(component)
        .expect("comparable")
        .intervals
        .iter()
        .map(|i| i.advisory)
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn fixes_above_the_installed_version_apply() {
    let index = index(&[
        advisory("A", "curl", "7-2"),
        advisory("B", "curl", "7-10"),
        advisory("C", "zip", "1"),
    ]);
    assert_eq!(
        numbers(&index, &component("libcurl4", "7-2+b1", "curl", "7-2")),
        [1]
    );
    assert_eq!(
        numbers(&index, &component("libcurl4", "7-1", "curl", "7-1")),
        [0, 1]
    );
    assert!(numbers(&index, &component("libcurl4", "7-10", "curl", "7-10")).is_empty());
    assert!(
        index
            .affected(&component("libcurl4", "7", "curl", "a b"))
            .is_err()
    );
    let mut other = component("libcurl4", "7-1", "curl", "7-1");
    other.release = "trixie".into();
    assert!(numbers(&index, &other).is_empty());
}

#[test]
fn a_signed_kernel_is_compared_by_its_binary_version() {
    let index = index(&[advisory("A", "linux", "6.1.170-3")]);
    let kernel = |version: &str, source_version: &str| {
        component(
            "linux-image-amd64",
            version,
            "linux-signed-amd64",
            source_version,
        )
    };
    assert_eq!(numbers(&index, &kernel("6.1.170-2", "6.1.170+2")), [0]);
    assert!(numbers(&index, &kernel("6.1.170-3", "6.1.170+3")).is_empty());
    let arm = component(
        "linux-image-arm64",
        "6.1.170-2",
        "linux-signed-arm64",
        "6.1.170+2",
    );
    assert_eq!(numbers(&index, &arm), [0]);
    assert_eq!(
        index.affected(&arm).expect("comparable").rule,
        Rule::DebianSignedBinary
    );
}

#[test]
fn a_signed_loader_is_compared_by_what_was_signed() {
    let index = index(&[advisory("A", "shim", "15.8-1~deb12u1")]);
    let shim = |signed: &str| {
        component(
            "shim-signed",
            &format!("1.51~1+deb12u1+{signed}"),
            "shim-signed",
            "1.51~1+deb12u1",
        )
    };
    assert!(numbers(&index, &shim("16.1-2~deb12u1")).is_empty());
    assert_eq!(numbers(&index, &shim("15.7-1")), [0]);
}

fn entry(status: Status, introduced: Option<&str>, end: End) -> Affected {
    Affected {
        status,
        ranges: vec![Range {
            introduced: introduced.map(str::to_owned),
            end,
            prereleases: Prereleases::Ordered,
        }],
        ..Affected::below(bookworm(), "curl", "1")
    }
}

fn says(affected: Vec<Affected>) -> AdvisoryRecord {
    AdvisoryRecord {
        affected,
        ..advisory("A", "curl", "1")
    }
}

fn hit(advisory: AdvisoryRecord, version: &str) -> bool {
    !numbers(
        &index(&[advisory]),
        &component("curl", version, "curl", version),
    )
    .is_empty()
}

#[test]
fn no_fix_yet_is_a_finding_without_a_fixing_version() {
    let index = index(&[says(vec![entry(Status::Affected, Some("7"), End::Open)])]);
    let hits = index
        .affected(&component("curl", "8", "curl", "8"))
        .expect("comparable");
    assert_eq!(hits.intervals.len(), 1);
    assert_eq!(hits.intervals[0].fixed_version(), None);
    assert!(numbers(&index, &component("curl", "6", "curl", "6")).is_empty());
}

#[test]
fn what_the_vendor_clears_is_taken_out() {
    let cleared = |status, end: End| {
        says(vec![
            entry(Status::Affected, None, End::Open),
            entry(status, Some("5"), end),
        ])
    };
    for status in [Status::NotAffected, Status::Fixed] {
        assert!(hit(cleared(status, End::LastAffected("5".into())), "4"));
        assert!(!hit(cleared(status, End::LastAffected("5".into())), "5"));
        assert!(hit(cleared(status, End::LastAffected("5".into())), "6"));
        assert!(!hit(cleared(status, End::Open), "6"));
    }
}

#[test]
fn versions_are_matched_by_order_or_by_name_and_only_once() {
    let mut named = entry(Status::Affected, None, End::Fixed("3".into()));
    named.versions = vec!["2".into(), "7.0".into(), "odd version".into()];
    let index = index(&[says(vec![
        named.clone(),
        Affected {
            ranges: Vec::new(),
            versions: vec!["2.5".into()],
            ..named
        },
    ])]);
    for (version, expected) in [
        ("2", 1),
        ("2.5", 1),
        ("7.0", 1),
        ("7.1", 0),
        ("odd version", 1),
    ] {
        assert_eq!(
            numbers(&index, &component("curl", version, "curl", version)).len(),
            expected,
            "{version}"
        );
    }
    assert!(
        index
            .affected(&component("curl", "other odd", "curl", "other odd"))
            .is_err()
    );
}

#[test]
fn withdrawn_and_informational_records_match_nothing() {
    let mut withdrawn = advisory("A", "curl", "9");
    withdrawn.withdrawn = true;
    let mut informational = advisory("A", "curl", "9");
    informational.informational = Some("unmaintained".into());
    assert!(!hit(withdrawn, "1"));
    assert!(!hit(informational, "1"));
    assert!(hit(advisory("A", "curl", "9"), "1"));
}

/// One CVE in a feed, and what is said of curl.
fn of(feed: &str, cves: &[&str], affected: Vec<Affected>) -> AdvisoryRecord {
    AdvisoryRecord {
        feed: feed.into(),
        cves: cves.iter().map(|cve| (*cve).to_owned()).collect(),
        ..says(affected)
    }
}

#[test]
fn a_vendor_takes_out_what_another_feed_says_of_the_same_cves() {
    let open = || vec![entry(Status::Affected, None, End::Open)];
    let from_5 = |status| vec![entry(status, Some("5"), End::Open)];
    for status in [Status::NotAffected, Status::Fixed] {
        let index = index(&[
            of("osv", &["CVE-2026-1001"], open()),
            of("osv", &["CVE-2026-1001", "CVE-2026-1002"], open()),
            of("osv", &[], open()),
            of("vendor", &["CVE-2026-1001"], from_5(status)),
        ]);
        let curl = component("curl", "6", "curl", "6");
        assert_eq!(numbers(&index, &curl), [1, 2]);
        let cleared = index.affected(&curl).expect("comparable").cleared;
        let told = Cleared {
            advisory: 0,
            by: 3,
            status,
        };
        assert_eq!(cleared, [told]);
        assert_eq!(
            numbers(&index, &component("curl", "4", "curl", "4")),
            [0, 1, 2]
        );
    }
    // Who still investigates takes nothing out.
    let index = index(&[
        of("osv", &["CVE-2026-1001"], open()),
        of(
            "vendor",
            &["CVE-2026-1001"],
            from_5(Status::UnderInvestigation),
        ),
    ]);
    let hits = index
        .affected(&component("curl", "6", "curl", "6"))
        .expect("comparable");
    assert!(hits.intervals.iter().any(|hit| hit.advisory == 0));
}

#[test]
fn the_feed_of_last_resort_counts_where_no_other_speaks() {
    let open = || vec![entry(Status::Affected, None, End::Open)];
    let index = index(&[
        of(LAST_RESORT, &["CVE-2026-1001"], open()),
        of(LAST_RESORT, &["CVE-2026-1002"], open()),
        of(
            "vendor",
            &["CVE-2026-1001"],
            vec![entry(Status::Affected, None, End::Fixed("3".into()))],
        ),
    ]);
    let at = |version| numbers(&index, &component("curl", version, "curl", version));
    assert_eq!(at("2"), [1, 2]);
    assert_eq!(at("4"), [1]);
}

#[test]
fn a_vendor_of_rpms_clears_the_packages_of_a_source() {
    let rhel = Release::os(Ecosystem::Rpm, "redhat", "9");
    let named = |name: &str, status| Affected {
        status,
        ranges: vec![Range::all()],
        ..Affected::below(rhel.clone(), name, "1")
    };
    let index = index(&[
        of(
            "osv",
            &["CVE-2026-1001"],
            vec![named("kernel-core", Status::Affected)],
        ),
        of(
            "vendor",
            &["CVE-2026-1001"],
            vec![named("src:kernel", Status::NotAffected)],
        ),
        of(
            "vendor",
            &["CVE-2026-1002"],
            vec![
                named("src:kernel", Status::Affected),
                named("kernel-core", Status::Affected),
            ],
        ),
    ]);
    let mut core = ComponentKey {
        ecosystem: Ecosystem::Rpm,
        distribution: "rhel".into(),
        release: "9".into(),
        ..component("kernel-core", "5.14.0-1.el9", "kernel", "5.14.0-1.el9")
    };
    assert_eq!(numbers(&index, &core), [2]);
    core.source = "other".into();
    assert_eq!(numbers(&index, &core), [0, 2]);
}
