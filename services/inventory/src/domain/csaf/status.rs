//! From the product status of one vulnerability to what it affects.

use super::target::{Target, targets};
use super::tree::{Tree, list};
use crate::domain::affected::{Affected, End, Prereleases, Range, Release, Status};
use netpatch_types::version::{Version, compare};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// What is said of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Affected,
    First,
    Last,
    Fixed,
    NotAffected,
    UnderInvestigation,
}

/// CSAF's words, and the groups that exclude each other (mandatory test 6.1.6).
const WORDS: [(&str, Option<Said>, u8); 9] = [
    ("first_affected", Some(Said::First), 1),
    ("known_affected", Some(Said::Affected), 1),
    ("last_affected", Some(Said::Last), 1),
    ("known_not_affected", Some(Said::NotAffected), 2),
    ("first_fixed", Some(Said::Fixed), 3),
    ("fixed", Some(Said::Fixed), 3),
    ("under_investigation", Some(Said::UnderInvestigation), 4),
    ("unknown", None, 5),
    ("recommended", None, 0),
];

/// All that is said of one package.
#[derive(Default)]
struct Package {
    fixed: Vec<String>,
    first: Option<String>,
    last: Option<String>,
    /// By status: ranges, versions, whether every version is meant, and a note.
    rest: BTreeMap<Status, (Vec<Range>, Vec<String>, bool, String)>,
}

/// What a vulnerability of a document affects. An error when it says two things of one product.
pub(super) fn affected(vulnerability: &Value, tree: &Tree) -> Result<Vec<Affected>, String> {
    let status = &vulnerability["product_status"];
    let notes = notes(vulnerability, tree);
    let mut groups: HashMap<&str, u8> = HashMap::new();
    let mut packages: BTreeMap<(Release, String), Package> = BTreeMap::new();
    for (word, said, group) in WORDS {
        for id in list(&status[word]).filter_map(Value::as_str) {
            if group != 0 && *groups.entry(id).or_insert(group) != group {
                let id: String = id.chars().take(80).collect();
                return Err(format!("6.1.6: contradicting status of product {id:?}"));
            }
            let (Some(said), Some((product, platforms))) = (said, tree.resolve(id)) else {
                continue;
            };
            for target in targets(product, &platforms) {
                let key = (target.release.clone(), target.name.clone());
                let package = packages.entry(key).or_default();
                let note = notes.get(id).copied().unwrap_or_default();
                package.take(said, target, product.range.as_deref(), note);
            }
        }
    }
    let mut all: Vec<Affected> = packages
        .into_iter()
        .flat_map(|((release, name), package)| package.finish(&release, &name))
        .collect();
    all.sort();
    Ok(all)
}

/// Why a product is not affected, or why there is no fix: the flag or the kind of remedy, by product.
fn notes<'a>(vulnerability: &'a Value, tree: &'a Tree) -> HashMap<&'a str, &'a str> {
    let mut notes = HashMap::new();
    let remedies = list(&vulnerability["remediations"])
        .filter(|one| {
            matches!(
                one["category"].as_str(),
                Some("no_fix_planned" | "none_available" | "workaround" | "mitigation")
            )
        })
        .map(|one| (one, &one["category"]));
    let flags = list(&vulnerability["flags"]).map(|one| (one, &one["label"]));
    for (one, word) in remedies.chain(flags) {
        let Some(word) = word.as_str().filter(|word| word.len() <= 80) else {
            continue;
        };
        let named = list(&one["product_ids"]).filter_map(Value::as_str);
        for id in named.chain(tree.members(&one["group_ids"])) {
            notes.insert(id, word);
        }
    }
    notes
}

impl Package {
    fn take(&mut self, said: Said, target: Target, range: Option<&str>, note: &str) {
        let status = match said {
            Said::Fixed => {
                self.fixed.extend(target.version);
                return;
            }
            Said::First => {
                self.first = target.version;
                return;
            }
            Said::Last => {
                self.last = target.version;
                return;
            }
            Said::Affected => Status::Affected,
            Said::NotAffected => Status::NotAffected,
            Said::UnderInvestigation => Status::UnderInvestigation,
        };
        let (ranges, versions, all, known) = self.rest.entry(status).or_default();
        if known.is_empty() {
            note.clone_into(known);
        }
        match (range, target.version) {
            (Some(range), _) => {
                if let Ok((read, named)) = vers(range, &target.release) {
                    ranges.extend(read);
                    versions.extend(named);
                }
            }
            (None, Some(version)) => versions.push(version),
            (None, None) => *all = true,
        }
    }

    fn finish(mut self, release: &Release, name: &str) -> Vec<Affected> {
        let entry = |status, ranges, versions, note| Affected {
            release: release.clone(),
            name: name.to_owned(),
            status,
            ranges,
            versions,
            note,
        };
        let until = |introduced, end| Range {
            introduced,
            end,
            prereleases: Prereleases::Ordered,
        };
        let mut all = Vec::new();
        if let Some(fixed) = self.first_fix(release) {
            let first = self.first.take();
            all.push(entry(
                Status::Affected,
                vec![until(first, End::Fixed(fixed.clone()))],
                Vec::new(),
                String::new(),
            ));
            all.push(entry(
                Status::Fixed,
                vec![until(Some(fixed), End::Open)],
                Vec::new(),
                String::new(),
            ));
        } else if self.first.is_some() || self.last.is_some() {
            let end = self.last.take().map_or(End::Open, End::LastAffected);
            all.push(entry(
                Status::Affected,
                vec![until(self.first.take(), end)],
                Vec::new(),
                String::new(),
            ));
        }
        let has_fix = !all.is_empty();
        for (status, (mut ranges, mut versions, every, note)) in self.rest {
            // Where a fix is named, "affected" without a version means those below it.
            if every && !(has_fix && status == Status::Affected) {
                ranges = vec![Range::all()];
                versions.clear();
            }
            if !(ranges.is_empty() && versions.is_empty()) {
                ranges.sort();
                ranges.dedup();
                versions.sort();
                versions.dedup();
                all.push(entry(status, ranges, versions, note));
            }
        }
        all
    }

    /// The lowest of the fixing versions: that one closes the vulnerability.
    fn first_fix(&self, release: &Release) -> Option<String> {
        let order = |left: &&String, right: &&String| {
            compare(release.ecosystem, left, right).unwrap_or(Ordering::Equal)
        };
        self.fixed.iter().min_by(order).cloned()
    }
}

/// Reads a VERS range: `vers:rpm/>=1.2|<1.5|2.0`. A bound that leaves its version out at the beginning cannot be kept and refuses it.
fn vers(text: &str, release: &Release) -> Result<(Vec<Range>, Vec<String>), String> {
    let (_, comparators) = text
        .strip_prefix("vers:")
        .and_then(|rest| rest.split_once('/'))
        .ok_or("not a VERS range")?;
    let (mut ranges, mut versions, mut from) = (Vec::new(), Vec::new(), None);
    let mut range = |introduced: Option<String>, end| {
        ranges.push(Range {
            introduced,
            end,
            prereleases: Prereleases::Ordered,
        });
    };
    for one in comparators.split('|').take(1_000) {
        let version = one.trim_start_matches(['<', '>', '=', '!']);
        let operator = &one[..one.len() - version.len()];
        if operator.is_empty() && version == "*" {
            range(None, End::Open);
            continue;
        }
        Version::parse(release.ecosystem, version).map_err(|error| error.to_string())?;
        let version = version.to_owned();
        match operator {
            ">=" => from = Some(version),
            "<" => range(from.take(), End::Fixed(version)),
            "<=" => range(from.take(), End::LastAffected(version)),
            "" | "=" => versions.push(version),
            other => return Err(format!("a VERS range with {other:?}")),
        }
    }
    if from.is_some() {
        range(from, End::Open);
    }
    Ok((ranges, versions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Ecosystem;

    #[test]
    fn a_vers_range_is_read() {
        let release = Release::registry(Ecosystem::Generic);
        let (ranges, versions) = vers("vers:generic/>=1.2|<1.5|2.0|>=3.0", &release).expect("read");
        assert_eq!(versions, ["2.0"]);
        let ends: Vec<_> = ranges
            .iter()
            .map(|range| (range.introduced.as_deref(), &range.end))
            .collect();
        assert_eq!(
            ends,
            [
                (Some("1.2"), &End::Fixed("1.5".into())),
                (Some("3.0"), &End::Open)
            ]
        );
        for odd in ["vers:generic/>1", "vers:generic/!=1", "<1", "vers:generic/"] {
            assert!(vers(odd, &release).is_err(), "{odd}");
        }
    }
}
