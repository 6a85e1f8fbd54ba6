//! The plan of a transaction, every binary in it, compared with the content list that was approved.
//!
//! Invariant: what the package manager would do must be on the list, item by item, with version, hash and size; the
//! list may hold more (other hosts of the wave have other packages).

use crate::{Refusal, Refused};
use netpatch_types::{Ecosystem, Sha256, version};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What happens to one binary package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there.
    Install,
    /// An older version was there.
    Upgrade,
    /// It goes.
    Remove,
}

/// One binary package of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Binary package.
    pub name: String,
    /// `amd64`, `x86_64`, `all`, `noarch`.
    pub arch: String,
    /// What happens to it.
    pub change: Change,
    /// The version that is installed; `None` for a new package.
    pub before: Option<String>,
    /// The version that will be installed; `None` for a removal.
    pub version: Option<String>,
    /// Hash of the package's file from the verified index; `None` for a removal.
    pub sha256: Option<Sha256>,
    /// Size of the package's file, bytes; 0 for a removal.
    pub size_bytes: u64,
    /// The file's name in the staging folder; empty for a removal.
    pub file_name: String,
}

/// Every binary that a transaction installs, upgrades or removes, sorted by (name, arch).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The packages.
    pub items: Vec<PlanItem>,
}

impl Plan {
    /// A plan in canonical order.
    #[must_use]
    pub fn new(mut items: Vec<PlanItem>) -> Self {
        items.sort_by(|left, right| (&left.name, &left.arch).cmp(&(&right.name, &right.arch)));
        Self { items }
    }

    /// Bytes to download.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.items.iter().map(|item| item.size_bytes).sum()
    }
}

/// One binary package that was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentItem {
    /// Binary package.
    pub name: String,
    /// `amd64`, `x86_64`, `all`, `noarch`.
    pub arch: String,
    /// The version that the order installs; empty for a removal.
    pub version: String,
    /// At least this counts as done; empty for a removal.
    pub fixed_version: String,
    /// Hash of the package's file; `None` for a removal.
    pub sha256: Option<Sha256>,
    /// Size of the package's file, bytes.
    pub size_bytes: u64,
    /// It goes.
    pub remove: bool,
    /// New, brought by another item.
    pub dependency: bool,
}

/// A binary package with the exact version that shall be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Binary package.
    pub name: String,
    /// `amd64`, `x86_64`, `all`, `noarch`.
    pub arch: String,
    /// Exactly this version.
    pub version: String,
}

/// What of the list applies to a host: packages that are installed here in a version below the fixed one.
/// `installed` gives a package's version by name and arch; the ecosystem decides the version order.
pub fn wanted<'a>(
    ecosystem: Ecosystem,
    content: &[ContentItem],
    installed: impl Fn(&str, &str) -> Option<&'a str>,
) -> Result<Vec<Wanted>, Refused> {
    let mut wanted = Vec::new();
    for item in content.iter().filter(|item| !item.remove) {
        let Some(before) = installed(&item.name, &item.arch) else {
            continue;
        };
        if compare(ecosystem, before, &item.fixed_version)? == Ordering::Less {
            wanted.push(Wanted {
                name: item.name.clone(),
                arch: item.arch.clone(),
                version: item.version.clone(),
            });
        }
    }
    Ok(wanted)
}

/// Refuses a plan that does anything which is not on the list.
pub fn compare_plan(plan: &Plan, content: &[ContentItem]) -> Result<(), Refused> {
    for item in &plan.items {
        let place = format!("{}:{}", item.name, item.arch);
        let listed = content
            .iter()
            .find(|listed| listed.name == item.name && listed.arch == item.arch)
            .ok_or_else(|| {
                differs(format!(
                    "{place} is not on the content list ({:?})",
                    item.change
                ))
            })?;
        match item.change {
            Change::Remove if !listed.remove => {
                return Err(differs(format!("{place} would be removed")));
            }
            Change::Install | Change::Upgrade if listed.remove => {
                return Err(differs(format!(
                    "{place} would be installed but the list removes it"
                )));
            }
            Change::Remove => continue,
            Change::Install | Change::Upgrade => {}
        }
        if item.version.as_deref() != Some(listed.version.as_str()) {
            return Err(differs(format!(
                "{place} would become {} instead of {}",
                item.version.as_deref().unwrap_or("nothing"),
                listed.version
            )));
        }
        if item.sha256.is_none()
            || item.sha256 != listed.sha256
            || item.size_bytes != listed.size_bytes
        {
            return Err(differs(format!(
                "{place} {} has another hash or size",
                listed.version
            )));
        }
    }
    Ok(())
}

/// At least this version of an item counts as done: what the list says, else what the plan installs.
#[must_use]
pub fn fixed_version<'a>(item: &'a PlanItem, content: &'a [ContentItem]) -> &'a str {
    content
        .iter()
        .find(|listed| {
            listed.name == item.name && listed.arch == item.arch && !listed.fixed_version.is_empty()
        })
        .map_or_else(
            || item.version.as_deref().unwrap_or_default(),
            |listed| listed.fixed_version.as_str(),
        )
}

/// Refuses a plan with a blocked package. A pattern may begin or end with `*`.
pub fn check_block_list(plan: &Plan, blocked: &[String]) -> Result<(), Refused> {
    for item in &plan.items {
        if let Some(pattern) = blocked.iter().find(|pattern| glob(pattern, &item.name)) {
            return Err(Refused::new(
                Refusal::BlockList,
                format!("{} matches {pattern:?}", item.name),
            ));
        }
    }
    Ok(())
}

/// `*` at any place stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(index, _)| index)
                .chain([rest.len()])
                .any(|index| glob(tail, &rest[index..]))
        }),
    }
}

fn compare(ecosystem: Ecosystem, left: &str, right: &str) -> Result<Ordering, Refused> {
    version::compare(ecosystem, left, right).map_err(|error| differs(error.to_string()))
}

fn differs(detail: String) -> Refused {
    Refused::new(Refusal::PlanDiffers, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, version: &str) -> ContentItem {
        ContentItem {
            name: name.into(),
            arch: "all".into(),
            version: version.into(),
            fixed_version: version.into(),
            sha256: Some(Sha256::of(name.as_bytes())),
            size_bytes: 7,
            remove: false,
            dependency: false,
        }
    }

    fn planned(name: &str, version: &str) -> PlanItem {
        PlanItem {
            name: name.into(),
            arch: "all".into(),
            change: Change::Upgrade,
            before: Some("1".into()),
            version: Some(version.into()),
            sha256: Some(Sha256::of(name.as_bytes())),
            size_bytes: 7,
            file_name: format!("{name}.deb"),
        }
    }

    #[test]
    fn only_what_is_here_and_old_is_wanted() {
        let content = [listed("a", "2"), listed("b", "2"), listed("c", "2")];
        let wanted = wanted(Ecosystem::Deb, &content, |name, _| match name {
            "a" => Some("1"),
            "b" => Some("2"),
            _ => None,
        })
        .expect("versions");
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[0].name, "a");
    }

    #[test]
    fn a_plan_may_do_less_than_the_list_but_nothing_else() {
        let content = [listed("a", "2"), listed("b", "2")];
        compare_plan(&Plan::new(vec![planned("a", "2")]), &content).expect("a subset");
        let mut other = Vec::new();
        other.push(planned("c", "2"));
        other.push(planned("a", "3"));
        other.push(PlanItem {
            sha256: Some(Sha256::of(b"x")),
            ..planned("a", "2")
        });
        other.push(PlanItem {
            size_bytes: 8,
            ..planned("a", "2")
        });
        other.push(PlanItem {
            change: Change::Remove,
            version: None,
            ..planned("a", "2")
        });
        for item in other {
            let refused =
                compare_plan(&Plan::new(vec![item.clone()]), &content).expect_err("differs");
            assert_eq!(refused.refusal, Refusal::PlanDiffers, "{item:?}");
        }
    }

    #[test]
    fn a_block_list_has_globs() {
        let plan = Plan::new(vec![planned("linux-image-6.1", "2")]);
        for pattern in ["linux-*", "*", "*image*", "linux-image-6.1"] {
            check_block_list(&plan, &[pattern.into()]).expect_err(pattern);
        }
        for pattern in ["linux", "image*", ""] {
            check_block_list(&plan, &[pattern.into()]).expect(pattern);
        }
    }
}
