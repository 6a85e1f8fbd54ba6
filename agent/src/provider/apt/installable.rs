//! Newer versions of what is installed: apt's candidates, what it would do with them, and their payloads.
//!
//! What the host's preferences (apt_preferences(5)) hide is no candidate and is not reported: apt itself does not tell
//! it from what no source offers. A hold (`apt-mark hold`) leaves the candidate visible and is reported as held.

use super::status::Status;
use super::{Apt, READ_LIMIT, apt_name, control, policy, simulate};
use crate::provider::{Installable, UpdateState};
use netpatch_agent_core::plan::{Change, PlanItem};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, Sha256, version};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Packages per call of apt-cache, far below the kernel's limit of an argument list.
const CHUNK: usize = 800;

struct Candidate<'a> {
    package: &'a super::status::Package,
    version: String,
    policy: policy::Policy,
}

/// Index records by (name, version, arch).
type Records = BTreeMap<(String, String, String), control::Stanza>;

impl Candidate<'_> {
    fn key(&self) -> (String, String, String) {
        let (name, arch) = (&self.package.name, &self.package.arch);
        (name.clone(), self.version.clone(), arch.clone())
    }

    /// Whether the transaction installs it.
    fn is_in(&self, simulation: &simulate::Simulation) -> bool {
        simulation.actions.iter().any(|action| {
            action.name == self.package.name
                && action.arch == self.package.arch
                && action.after.as_ref() == Some(&self.version)
        })
    }
}

/// How far the vendor has come with handing it out; `None` when it hands it out to all at once.
fn phased_percent(record: &control::Stanza) -> Option<u32> {
    record.get("phased-update-percentage").parse().ok()
}

impl Apt {
    pub(super) async fn find_installable(&self) -> Result<Vec<Installable>, Failure> {
        let status = self.status()?;
        let native = self.native_arch().await?;
        let candidates = self.candidates(&status, &native).await?;
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let releases = policy::releases(&self.read("apt-cache", &["policy"]).await?.stdout);
        let all = self.simulate(&["dist-upgrade".to_owned()]).await?;
        let brings_more = all
            .actions
            .iter()
            .any(|action| action.after.is_none() || action.before.is_none());
        let records = self.records(&candidates, &native).await?;
        let with_phased = self
            .simulate_with_phased(&candidates, &all, &records)
            .await?;
        let mut updates = Vec::new();
        for candidate in &candidates {
            let package = candidate.package;
            let Some(record) = records.get(&candidate.key()) else {
                continue;
            };
            let (Ok(sha256), Ok(size_bytes)) = (
                record.get("sha256").parse::<Sha256>(),
                record.get("size").parse::<u64>(),
            ) else {
                continue;
            };
            let (source, source_version) = record.source();
            let release = candidate
                .policy
                .release(&candidate.version, &releases)
                .cloned()
                .unwrap_or_default();
            let state = if package.is_held() {
                UpdateState::Held
            } else if candidate.is_in(&all) {
                UpdateState::Installable
            } else if with_phased
                .as_ref()
                .is_some_and(|simulation| candidate.is_in(simulation))
            {
                UpdateState::Phased
            } else {
                UpdateState::KeptBack
            };
            updates.push(Installable {
                name: package.name.clone(),
                arch: package.arch.clone(),
                installed_version: package.version.clone(),
                candidate_version: candidate.version.clone(),
                source,
                source_version,
                sha256,
                size_bytes,
                origin: release.origin,
                suite: release.suite,
                label: release.label,
                errata: Vec::new(),
                security: false,
                state,
                phased_percent: phased_percent(record).unwrap_or(0),
                section: record.get("section").to_owned(),
                requires: Vec::new(),
            });
        }
        if brings_more {
            self.attribute_companions(&mut updates, &native).await?;
        }
        Ok(updates)
    }

    /// Installed packages whose candidate is newer.
    async fn candidates<'a>(
        &self,
        status: &'a Status,
        native: &str,
    ) -> Result<Vec<Candidate<'a>>, Failure> {
        let present: Vec<_> = status.present().collect();
        let mut candidates = Vec::new();
        for chunk in present.chunks(CHUNK) {
            let mut arguments = vec!["policy".to_owned()];
            arguments.extend(
                chunk
                    .iter()
                    .map(|package| apt_name(&package.name, &package.arch, native)),
            );
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let policies = policy::policies(&self.read("apt-cache", &words).await?.stdout);
            for package in chunk {
                let Some(policy) = policies.get(&apt_name(&package.name, &package.arch, native))
                else {
                    continue;
                };
                let newer = version::compare(Ecosystem::Deb, &policy.candidate, &package.version);
                if newer == Ok(Ordering::Greater) {
                    let version = policy.candidate.clone();
                    candidates.push(Candidate {
                        package,
                        version,
                        policy: policy.clone(),
                    });
                }
            }
        }
        Ok(candidates)
    }

    /// Index records of the candidates, by (name, version, arch).
    async fn records(
        &self,
        candidates: &[Candidate<'_>],
        native: &str,
    ) -> Result<Records, Failure> {
        let mut records = Records::new();
        for chunk in candidates.chunks(CHUNK) {
            let mut arguments = vec!["show".to_owned()];
            arguments.extend(chunk.iter().map(|candidate| {
                let name = apt_name(&candidate.package.name, &candidate.package.arch, native);
                format!("{name}={}", candidate.version)
            }));
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            for stanza in control::parse(&self.read("apt-cache", &words).await?.stdout) {
                if !stanza.get("sha256").is_empty() {
                    let key = [
                        stanza.get("package"),
                        stanza.get("version"),
                        stanza.get("architecture"),
                    ];
                    let [name, version, arch] = key.map(str::to_owned);
                    records.insert((name, version, arch), stanza);
                }
            }
        }
        Ok(records)
    }

    /// What apt would do without regard to phases, if it leaves alone what is handed out in phases. Only newer versions
    /// of apt name the phases as the reason; all know this option.
    async fn simulate_with_phased(
        &self,
        candidates: &[Candidate<'_>],
        all: &simulate::Simulation,
        records: &Records,
    ) -> Result<Option<simulate::Simulation>, Failure> {
        let is_phased = |candidate: &Candidate<'_>| {
            let percent = records.get(&candidate.key()).and_then(phased_percent);
            percent.is_some_and(|percent| percent < 100) && !candidate.is_in(all)
        };
        if !candidates.iter().any(is_phased) {
            return Ok(None);
        }
        let words = [
            "-o",
            "APT::Get::Always-Include-Phased-Updates=true",
            "dist-upgrade",
        ];
        self.simulate(&words.map(str::to_owned)).await.map(Some)
    }

    /// Asks for each source package alone which new packages and removals it brings; only when there are any at all.
    async fn attribute_companions(
        &self,
        updates: &mut [Installable],
        native: &str,
    ) -> Result<(), Failure> {
        let sources: BTreeSet<String> = updates
            .iter()
            .filter(|update| update.state == UpdateState::Installable)
            .map(|update| update.source.clone())
            .collect();
        for source in sources {
            let mut arguments = vec!["install".to_owned()];
            arguments.extend(
                updates
                    .iter()
                    .filter(|update| {
                        update.source == source && update.state == UpdateState::Installable
                    })
                    .map(|update| {
                        format!(
                            "{}={}",
                            apt_name(&update.name, &update.arch, native),
                            update.candidate_version
                        )
                    }),
            );
            let simulation = self.simulate(&arguments).await?;
            let mut more: Vec<simulate::Action> = simulation.actions;
            more.retain(|action| action.after.is_none() || action.before.is_none());
            if more.is_empty() {
                continue;
            }
            let payloads = self.payloads_of(&arguments).await?;
            let requires: Vec<PlanItem> = more
                .iter()
                .filter_map(|action| super::plan::item(action, &payloads, native).ok())
                .collect();
            for update in updates.iter_mut().filter(|update| update.source == source) {
                update.requires.clone_from(&requires);
            }
        }
        debug_assert!(
            updates
                .iter()
                .flat_map(|update| &update.requires)
                .all(|item| item.change != Change::Upgrade)
        );
        Ok(())
    }

    /// What apt would do.
    pub(super) async fn simulate(
        &self,
        arguments: &[String],
    ) -> Result<simulate::Simulation, Failure> {
        let output = self.simulation_output(arguments).await?;
        if !output.ok() {
            return Err(super::diagnose::diagnose(&output.text(), output.code));
        }
        Ok(simulate::parse(&output.stdout))
    }

    /// The raw answer of a simulation.
    pub(super) async fn simulation_output(
        &self,
        arguments: &[String],
    ) -> Result<crate::command::Output, Failure> {
        let options = ["-s", "-o", "Debug::NoLocking=1"].map(str::to_owned);
        self.apt_get(
            options.into_iter().chain(arguments.iter().cloned()),
            READ_LIMIT,
        )
        .await
    }

    /// Hash and size of everything that a call would fetch, from the verified indices.
    pub(super) async fn payloads_of(
        &self,
        arguments: &[String],
    ) -> Result<Vec<simulate::Payload>, Failure> {
        // With the real cache folder apt leaves out what lies there already.
        let empty = self.work.join("no-archives");
        std::fs::create_dir_all(empty.join("partial"))
            .map_err(|error| crate::provider::files::io_failure("create", &empty, &error))?;
        let options = [
            "--print-uris".to_owned(),
            // For the sake of old scripts apt prints MD5 otherwise.
            "-o".to_owned(),
            "Acquire::ForceHash=SHA256".to_owned(),
            "-o".to_owned(),
            format!("Dir::Cache::archives={}", self.inside(&empty)),
        ];
        let output = self
            .apt_get(
                options.into_iter().chain(arguments.iter().cloned()),
                READ_LIMIT,
            )
            .await?;
        if output.ok() {
            Ok(simulate::payloads(&output.stdout))
        } else {
            Err(Failure::new(
                FailureCause::DependencyUnsatisfiable,
                output.stderr.lines(),
            ))
        }
    }
}
