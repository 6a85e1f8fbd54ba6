//! Deciding a finding again from what its evidence says, without the platform.
//!
//! Each step is a claim of the evidence that can be checked alone: that the version which was compared is the component's, that it
//! comes before the fixing one, that the feed has the record unchanged, and that the record still applies to the component.

use crate::domain::subject::{Rule, signed_version};
use netpatch_types::version::compare;
use netpatch_types::{ComponentKey, Sha256};
use std::cmp::Ordering;

/// The evidence of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is installed.
    pub component: ComponentKey,
    /// `CVE-…`, else the vendor's id.
    pub advisory: String,
    /// Which feed.
    pub feed: String,
    /// The record's own id.
    pub record: String,
    /// SHA-256 of the record's bytes.
    pub record_digest: Sha256,
    /// Which rule.
    pub rule: String,
    /// The version that was compared.
    pub installed_version: String,
    /// The first fixed version; empty when there is none yet.
    pub fixed_version: String,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The claim holds.
    Holds,
    /// It does not.
    Fails,
    /// It cannot be decided here.
    Unknown,
}

/// A step of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `component`, `order`, `record`, `match`.
    pub name: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// In a sentence.
    pub sentence: String,
}

impl Step {
    /// A step.
    pub fn new(name: &'static str, outcome: Outcome, sentence: impl Into<String>) -> Self {
        Self {
            name,
            outcome,
            sentence: sentence.into(),
        }
    }
}

/// What the evidence alone decides.
#[must_use]
pub fn examine(claim: &Claim) -> Vec<Step> {
    vec![component(claim), order(claim)]
}

fn component(claim: &Claim) -> Step {
    let key = &claim.component;
    let step = |outcome, sentence: String| Step::new("component", outcome, sentence);
    let is = |rule: Rule| claim.rule == rule.as_str();
    let (version, whose) = if is(Rule::DebianSource) || is(Rule::AlpineOrigin) {
        (
            key.source_version.as_str(),
            format!("source {}", key.source),
        )
    } else if is(Rule::DebianSignedBinary) {
        (signed_version(key), format!("package {}", key.name))
    } else if is(Rule::Package) {
        (key.version.as_str(), format!("package {}", key.name))
    } else {
        let sentence = format!("the rule {} is not known to this program", claim.rule);
        return step(Outcome::Unknown, sentence);
    };
    let rule = &claim.rule;
    if version == claim.installed_version {
        let sentence = format!("the rule {rule} compares the version of {whose}, {version}");
        step(Outcome::Holds, sentence)
    } else {
        let said = &claim.installed_version;
        step(
            Outcome::Fails,
            format!(
                "the rule {rule} compares the version of {whose}, {version}, but the evidence says {said}"
            ),
        )
    }
}

fn order(claim: &Claim) -> Step {
    let step = |outcome, sentence: String| Step::new("order", outcome, sentence);
    let (ecosystem, installed, fixed) = (
        claim.component.ecosystem,
        &claim.installed_version,
        &claim.fixed_version,
    );
    if fixed.is_empty() {
        return step(
            Outcome::Unknown,
            "no version has the fix yet, so there is nothing to compare".to_owned(),
        );
    }
    match compare(ecosystem, installed, fixed) {
        Ok(Ordering::Less) => step(
            Outcome::Holds,
            format!("{installed} comes before {fixed} in the order of {ecosystem}"),
        ),
        Ok(Ordering::Equal) => step(
            Outcome::Fails,
            format!("{installed} is {fixed} in the order of {ecosystem}: it has the fix"),
        ),
        Ok(Ordering::Greater) => step(
            Outcome::Fails,
            format!("{installed} comes after {fixed} in the order of {ecosystem}: it has the fix"),
        ),
        Err(error) => step(Outcome::Unknown, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Ecosystem;

    fn claim() -> Claim {
        Claim {
            component: ComponentKey {
                ecosystem: Ecosystem::Deb,
                distribution: "debian".into(),
                release: "bookworm".into(),
                name: "libcurl4".into(),
                version: "7.88.1-10+deb12u1+b1".into(),
                arch: "amd64".into(),
                source: "curl".into(),
                source_version: "7.88.1-10+deb12u1".into(),
            },
            advisory: "CVE-2023-38545".into(),
            feed: "debian-bookworm".into(),
            record: "DEBIAN-CVE-2023-38545".into(),
            record_digest: Sha256::default(),
            rule: "debian-source".into(),
            installed_version: "7.88.1-10+deb12u1".into(),
            fixed_version: "7.88.1-10+deb12u4".into(),
        }
    }

    fn outcomes(claim: &Claim) -> Vec<Outcome> {
        examine(claim).iter().map(|step| step.outcome).collect()
    }

    #[test]
    fn evidence_is_decided_again() {
        use Outcome::{Fails, Holds, Unknown};
        assert_eq!(outcomes(&claim()), [Holds, Holds]);
        let fixed = |version: &str| Claim {
            fixed_version: version.into(),
            ..claim()
        };
        assert_eq!(outcomes(&fixed("7.88.1-10+deb12u1")), [Holds, Fails]);
        assert_eq!(outcomes(&fixed("7.88.1-9")), [Holds, Fails]);
        assert_eq!(outcomes(&fixed("")), [Holds, Unknown]);
        assert_eq!(outcomes(&fixed("not a version")), [Holds, Unknown]);
    }

    #[test]
    fn a_version_that_is_not_the_components_is_no_evidence() {
        use Outcome::{Fails, Holds, Unknown};
        let rule = |word: &str| Claim {
            rule: word.into(),
            ..claim()
        };
        assert_eq!(outcomes(&rule("package")), [Fails, Holds]);
        assert_eq!(outcomes(&rule("debian-signed-binary")), [Fails, Holds]);
        assert_eq!(outcomes(&rule("by-name")), [Unknown, Holds]);
    }
}
