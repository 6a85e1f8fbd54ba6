//! Newer versions of what is installed: apt's candidates, what it would do with them, and their payloads.

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
        let mut updates = Vec::new();
        for candidate in &candidates {
            let package = candidate.package;
            let key = (
                package.name.clone(),
                candidate.version.clone(),
                package.arch.clone(),
            );
            let Some(record) = records.get(&key) else {
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
            let would_be_installed = all.actions.iter().any(|action| {
                action.name == package.name
                    && action.arch == package.arch
                    && action.after.as_deref() == Some(candidate.version.as_str())
            });
            let state = if package.is_held() {
                UpdateState::Held
            } else if would_be_installed {
                UpdateState::Installable
            } else if all.phased.contains(&package.name) {
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
                state,
                phased_percent: record.get("phased-update-percentage").parse().unwrap_or(0),
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
    ) -> Result<BTreeMap<(String, String, String), control::Stanza>, Failure> {
        let mut records = BTreeMap::new();
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
            .map_err(|error| super::io_failure("create", &empty, &error))?;
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
