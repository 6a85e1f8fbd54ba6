//! The plan of a transaction: the solver's own answer to "install exactly these versions, or say why not".
//!
//! Refused: a change of the vendor, which zypper itself would make when it is asked for an exact version; a version that its vendor
//! took back; and every kind of change that this agent does not know how to undo, such as another architecture.

use super::Zypper;
use super::ask::Answer;
use super::index::Index;
use super::repositories::Repository;
use crate::provider::PlanError;
use crate::provider::rpm::database::file_name;
use crate::provider::rpm::stage::Outline;
use netpatch_agent_core::plan::{Change, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal, Refused};
use std::collections::BTreeSet;

/// ZYPPER_EXIT_ERR_ZYPP: a problem of the solver among others.
const PROBLEM: i32 = 4;
/// ZYPPER_EXIT_INF_CAP_NOT_FOUND
const NOT_FOUND: i32 = 104;
/// How the solver proposes to break a person's lock.
const LOCK: &str = "remove lock to allow";

/// One change of the solver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) name: String,
    pub(super) arch: String,
    pub(super) before: Option<String>,
    pub(super) version: Option<String>,
}

impl Changed {
    /// What happens, without hash and size.
    pub(super) fn outline(&self) -> Outline {
        (
            self.name.clone(),
            self.arch.clone(),
            self.before.clone(),
            self.version.clone(),
        )
    }

    /// In the agent's words, with the file of the most important repository.
    pub(super) fn planned(
        &self,
        index: &Index,
        repositories: &[Repository],
    ) -> Result<PlanItem, PlanError> {
        let Some(version) = &self.version else {
            return Ok(PlanItem {
                name: self.name.clone(),
                arch: self.arch.clone(),
                change: Change::Remove,
                before: self.before.clone(),
                version: None,
                sha256: None,
                size_bytes: 0,
                file_name: String::new(),
            });
        };
        let shown = format!("{}.{} {version}", self.name, self.arch);
        if index.is_retracted(&self.name, &self.arch, version) {
            let detail = format!("its vendor took {shown} back");
            return Err(Refused::new(Refusal::Superseded, detail).into());
        }
        let unsigned = |line| Failure::new(FailureCause::SignatureInvalid, [line]);
        let Some(offer) = index.offers(&self.name, &self.arch, version).next() else {
            return Err(unsigned(format!("no index names a SHA-256 of {shown}")).into());
        };
        let repository = repositories
            .iter()
            .find(|one| one.alias == offer.repository);
        if !repository.is_some_and(|repository| repository.is_signed) {
            let line = format!(
                "repository {} checks no signature, so nothing vouches for {shown}",
                offer.repository
            );
            return Err(unsigned(line).into());
        }
        Ok(PlanItem {
            name: self.name.clone(),
            arch: self.arch.clone(),
            change: if self.before.is_some() {
                Change::Upgrade
            } else {
                Change::Install
            },
            before: self.before.clone(),
            version: Some(version.clone()),
            sha256: Some(offer.sha256),
            size_bytes: offer.size_bytes,
            file_name: file_name(&self.name, version, &self.arch),
        })
    }
}

/// What zypper would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Packages that come, change or go.
    pub(super) changes: Vec<Changed>,
    /// `name.arch` of those whose vendor would change.
    pub(super) vendors: BTreeSet<String>,
    /// `kind: name.arch` of every change of another kind.
    odd: Vec<String>,
}

impl Summary {
    /// From an answer; empty when there is nothing to do.
    pub(super) fn of(answer: &Answer) -> Self {
        let mut found = Self::default();
        let Some(summary) = answer.stream.child("install-summary") else {
            return found;
        };
        for section in &summary.children {
            for one in section.all("solvable") {
                // Patches, patterns and products are installed through their packages.
                if one.attribute("type") != "package" {
                    continue;
                }
                let (name, arch) = (one.attribute("name"), one.attribute("arch"));
                let place = format!("{name}.{arch}");
                let version = Some(one.attribute("edition").to_owned());
                let (before, version) = match section.name.as_str() {
                    "to-upgrade" if one.attribute("arch-old") == arch => {
                        (Some(one.attribute("edition-old").to_owned()), version)
                    }
                    "to-install" => (None, version),
                    "to-remove" => (version, None),
                    "to-change-vendor" => {
                        found.vendors.insert(place);
                        continue;
                    }
                    kind => {
                        found.odd.push(format!("{kind}: {place}"));
                        continue;
                    }
                };
                found.changes.push(Changed {
                    name: name.to_owned(),
                    arch: arch.to_owned(),
                    before,
                    version,
                });
            }
        }
        found
    }

    /// Names of the packages that come or change.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let new = self.changes.iter().filter(|one| one.version.is_some());
        new.map(|one| one.name.clone()).collect()
    }

    /// Refuses what the agent does not do.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if let Some(place) = self.vendors.first() {
            let detail = format!("{place} comes from another vendor than what is installed");
            return Err(Refused::new(Refusal::Hold, detail));
        }
        match self.odd.first() {
            None => Ok(()),
            Some(odd) => {
                let detail = format!("zypper would do more than was ordered: {odd}");
                Err(Refused::new(Refusal::PlanDiffers, detail))
            }
        }
    }
}

/// `name.arch=version`, as zypper takes it.
pub(super) fn exactly(name: &str, arch: &str, version: &str) -> String {
    format!("{name}.{arch}={version}")
}

/// What zypper would do, or why it cannot.
pub(super) fn resolved(answer: &Answer) -> Result<Summary, PlanError> {
    let problems = answer.problems();
    match answer.code {
        Some(0) => Ok(Summary::of(answer)),
        Some(NOT_FOUND) => {
            let detail = answer.complaints().join(" ");
            Err(Refused::new(Refusal::Superseded, detail).into())
        }
        Some(PROBLEM) if problems.iter().any(|line| line.contains(LOCK)) => {
            Err(Refused::new(Refusal::Hold, problems.join(" ")).into())
        }
        Some(PROBLEM) if !problems.is_empty() => {
            Err(Failure::new(FailureCause::DependencyUnsatisfiable, problems).into())
        }
        _ => Err(answer.failure().into()),
    }
}

/// The words of a question that changes nothing.
pub(super) fn trial(command: &str) -> Vec<String> {
    [
        command,
        "--dry-run",
        "--details",
        "--no-recommends",
        "--no-force-resolution",
        "--auto-agree-with-licenses",
    ]
    .map(str::to_owned)
    .to_vec()
}

impl Zypper {
    pub(super) async fn make_plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        if wanted.is_empty() {
            return Ok(Plan::default());
        }
        let mut words = trial("install");
        words.extend(
            wanted
                .iter()
                .map(|item| exactly(&item.name, &item.arch, &item.version)),
        );
        let summary = resolved(&self.ask(words).await?)?;
        summary.check()?;
        for item in wanted {
            let is_it = |one: &&Changed| {
                (&one.name, &one.arch, one.version.as_ref())
                    == (&item.name, &item.arch, Some(&item.version))
            };
            if !summary.changes.iter().any(|one| is_it(&one)) {
                let Wanted {
                    name,
                    arch,
                    version,
                } = item;
                let line = format!("zypper leaves out {name}.{arch} {version}");
                return Err(Failure::new(FailureCause::DependencyUnsatisfiable, [line]).into());
            }
        }
        let repositories = self.resolved().await?;
        let index = self.index(&repositories, summary.names()).await?;
        let items: Result<Vec<PlanItem>, PlanError> = summary
            .changes
            .iter()
            .map(|one| one.planned(&index, &repositories))
            .collect();
        Ok(Plan::new(items?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::zypper::xml;

    fn answer(code: i32, text: &str) -> Answer {
        let mut stream = None;
        xml::each(text.as_bytes(), "stream", &[], |whole| {
            stream = Some(whole);
            Ok(())
        })
        .expect("XML");
        Answer {
            code: Some(code),
            stream: stream.expect("a stream"),
        }
    }

    /// What zypper 1.14 says; shortened.
    const GOOD: &str = "<stream><install-summary><to-upgrade><solvable type='package' name='a' edition='1:2-1' arch='noarch' edition-old='1:1-1' arch-old='noarch'><description>x</description></solvable><solvable type='product' name='p' edition='2' arch='x'/></to-upgrade><to-install><solvable type='package' name='b' edition='1-1' arch='x86_64'/></to-install><to-remove><solvable type='package' name='c' edition='1-1' arch='noarch'/></to-remove></install-summary></stream>";

    #[test]
    fn a_summary_says_what_happens() {
        let summary = resolved(&answer(0, GOOD)).expect("a summary");
        let outlines: Vec<Outline> = summary.changes.iter().map(Changed::outline).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            outlines,
            [
                ("a".into(), "noarch".into(), text("1:1-1"), text("1:2-1")),
                ("b".into(), "x86_64".into(), None, text("1-1")),
                ("c".into(), "noarch".into(), text("1-1"), None),
            ]
        );
        assert!(summary.check().is_ok());
    }

    #[test]
    fn what_the_agent_does_not_do_is_refused() {
        let section = |name: &str| {
            format!(
                "<stream><install-summary><{name}><solvable type='package' name='a' edition='2-1' arch='i586' edition-old='1-1' arch-old='x86_64'/></{name}></install-summary></stream>"
            )
        };
        for (name, expected) in [
            ("to-change-vendor", Refusal::Hold),
            ("to-change-arch", Refusal::PlanDiffers),
            ("to-upgrade", Refusal::PlanDiffers),
            ("to-downgrade", Refusal::PlanDiffers),
            ("to-reinstall", Refusal::PlanDiffers),
            ("to-do-something-new", Refusal::PlanDiffers),
        ] {
            let summary = resolved(&answer(0, &section(name))).expect("a summary");
            let refused = summary.check().expect_err(name);
            assert_eq!(refused.refusal, expected, "{name}");
        }
    }

    #[test]
    fn codes_have_causes() {
        let prompt = |text: &str| {
            format!(
                "<stream><prompt id='1'><description>{text}</description><text>Choose</text></prompt></stream>"
            )
        };
        let unmet = prompt("Problem: nothing provides x\n Solution 1: do not");
        let locked = prompt("Problem: conflict\n Solution 1: remove lock to allow removal of a");
        let cause = |code, text: &str| match resolved(&answer(code, text)) {
            Err(PlanError::Failed(failure)) => Ok(failure.cause),
            Err(PlanError::Refused(refused)) => Err(refused.refusal),
            Ok(summary) => panic!("{summary:?}"),
        };
        let error = |text: &str| {
            format!(
                "<stream><message type='info'>fine</message><message type='error'>{text}</message></stream>"
            )
        };
        assert_eq!(cause(4, &unmet), Ok(FailureCause::DependencyUnsatisfiable));
        assert_eq!(cause(4, &locked), Err(Refusal::Hold));
        assert_eq!(
            cause(104, &error("No provider of 'a=9' found.")),
            Err(Refusal::Superseded)
        );
        assert_eq!(
            cause(4, &error("No space left on device")),
            Ok(FailureCause::DiskFull)
        );
        assert_eq!(
            cause(5, &error("Root privileges are required")),
            Ok(FailureCause::Unknown(Some(5)))
        );
    }
}
