//! No text makes a parser panic, and every order is one: total, antisymmetric, transitive.

use crate::vectors::{cases, lines, read};
use netpatch_types::Ecosystem;
use netpatch_types::version::Version;
use proptest::prelude::*;
use std::cmp::Ordering;

fn ecosystems() -> impl Strategy<Value = Ecosystem> {
    prop::sample::select(Ecosystem::ALL.to_vec())
}

/// Short texts of what versions are made of, so that near misses and ties are frequent.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "0", "1", "2", "10", "01", "00", ".", ".", ".", "-", "_", "~", "+", "^", ":", "a", "b",
        "rc", "alpha", "dev", "ga", "final", "sp", "p", "r", "x", "_p", "_rc", "-r", "post",
        "SNAPSHOT", "pre", "v", "!",
    ]);
    prop::collection::vec(pieces, 1..7).prop_map(|pieces| {
        let text = pieces.concat();
        format!("1{text}")
    })
}

/// The first broken law of three versions of one ecosystem, if any, from the orders of each two.
fn broken_law(
    of: impl Fn(usize, usize) -> Option<Ordering>,
    [left, middle, right]: [usize; 3],
) -> Option<&'static str> {
    let order = |one, other| of(one, other).expect("one ecosystem");
    let (one, two) = (order(left, middle), order(middle, right));
    if order(left, left).is_ne() {
        return Some("not equal to itself");
    }
    if order(middle, left) != one.reverse() {
        return Some("not antisymmetric");
    }
    // Equal on one side: the other decides. Twice the same way: that way.
    let due = match (one, two) {
        (Ordering::Equal, other) | (other, Ordering::Equal) => Some(other),
        (one, two) if one == two => Some(one),
        _ => None,
    };
    due.is_some_and(|due| due != order(left, right))
        .then_some("not transitive")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_equal_to_themselves(
        ecosystem in ecosystems(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "\\PC{0,60}",
    ) {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            if let Ok(version) = Version::parse(ecosystem, &text) {
                prop_assert_eq!(version.compare(&version), Ok(Ordering::Equal), "{} {:?}", ecosystem, text);
            }
            let _ = netpatch_types::cvss::scores(&text);
        }
    }

    #[test]
    fn generated_triples_are_in_order(ecosystem in ecosystems(), triple in prop::array::uniform3(texts())) {
        let parsed: Vec<_> = triple.iter().filter_map(|text| Version::parse(ecosystem, text).ok()).collect();
        if parsed.len() == 3 {
            let law = broken_law(|one, other| parsed[one].partial_cmp(&parsed[other]), [0, 1, 2]);
            prop_assert_eq!(law, None, "{} {:?}", ecosystem, triple);
        }
    }

    #[test]
    fn different_ecosystems_have_no_order(one in ecosystems(), other in ecosystems(), text in texts()) {
        if let (Ok(left), Ok(right)) = (Version::parse(one, &text), Version::parse(other, &text)) {
            prop_assert_eq!(left.compare(&right).is_ok(), one == other);
            prop_assert_eq!(left == right, one == other);
            prop_assert!(one == other || left.partial_cmp(&right).is_none());
        }
    }
}

#[test]
fn the_nasty_ones_are_in_order_with_each_other() {
    let text = read("versions", "nasty.txt");
    let corpus: Vec<_> = lines(&text)
        .map(|line| serde_json::from_str::<String>(line).expect(line))
        .collect();
    for ecosystem in Ecosystem::ALL {
        let valid: Vec<_> = corpus
            .iter()
            .filter_map(|text| Some((text, Version::parse(ecosystem, text).ok()?)))
            .collect();
        assert!(valid.len() > 3, "{ecosystem}");
        let orders: Vec<Vec<_>> = valid
            .iter()
            .map(|(_, one)| {
                valid
                    .iter()
                    .map(|(_, other)| one.partial_cmp(other))
                    .collect()
            })
            .collect();
        let all = 0..valid.len();
        for left in all.clone() {
            for middle in all.clone() {
                for right in all.clone() {
                    let law = broken_law(|one, other| orders[one][other], [left, middle, right]);
                    let texts = [left, middle, right].map(|at| valid[at].0);
                    assert_eq!(law, None, "{ecosystem} {texts:?}");
                }
            }
        }
    }
}

#[test]
fn real_versions_can_be_sorted() {
    for (name, ecosystem) in [
        ("maven.tsv", Ecosystem::Maven),
        ("packagist.tsv", Ecosystem::Composer),
        ("apk.tsv", Ecosystem::Apk),
        ("grype-gem-compare.tsv", Ecosystem::Gem),
    ] {
        let text = read("versions", name);
        let mut versions: Vec<_> = cases(&text)
            .iter()
            .flat_map(|case| [case.left, case.right])
            .filter_map(|text| Version::parse(ecosystem, text).ok())
            .collect();
        versions.sort_by(|left, right| left.partial_cmp(right).expect("one ecosystem"));
        versions.dedup();
        for (at, left) in versions.iter().enumerate() {
            for right in &versions[at + 1..] {
                assert!(left < right, "{left:?} {right:?}");
            }
        }
    }
}
