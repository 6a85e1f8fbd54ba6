//! After the rollout: what the hosts, the relay and the compliance figures really say.

use super::api::{list, number, text};
use super::estate::{failing_host, hosts_of};
use super::platform::People;
use super::relay::Relay;
use super::repository::FAILING;
use super::rollout::Deployment;
use super::show::Show;
use crate::hosts::host::Host;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Package → version, as dpkg says.
type Packages = BTreeMap<String, String>;

/// The state before the rollout.
pub(crate) struct Before {
    packages: BTreeMap<String, Packages>,
    findings: u64,
    compliant: u64,
}

impl Before {
    /// Asks every host's dpkg, and has the platform keep its compliance figures.
    pub(crate) fn take(show: &mut Show, people: &People, hosts: &[Host]) -> Result<Self> {
        show.step("Note the state before", |_| {
            let packages = hosts
                .iter()
                .map(|host| Ok((host.name.clone(), packages(host)?)))
                .collect::<Result<_>>()?;
            let input = json!({ "organizationId": people.organization, "label": "before" });
            let selection = "snapshot { cells { hosts compliant findings } }";
            let taken = people
                .requester
                .api
                .mutate("complianceSnapshotTake", input, selection)?;
            let (findings, compliant) = figures(&taken["snapshot"])?;
            if findings == 0 {
                bail!("nothing is open before the rollout");
            }
            let sentence = format!("Before: {findings} open findings");
            Ok((
                Self {
                    packages,
                    findings,
                    compliant,
                },
                sentence,
            ))
        })
    }
}

fn packages(host: &Host) -> Result<Packages> {
    let format = "--showformat=${binary:Package} ${db:Status-Abbrev}\t${Version}\n";
    let text = host.output(&["dpkg-query", "--show", format])?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines
        .map(|(package, version)| (package.to_owned(), version.to_owned()))
        .collect())
}

fn figures(snapshot: &Value) -> Result<(u64, u64)> {
    let cells = list(snapshot, "/cells")?;
    let sum = |key: &str| cells.iter().map(|cell| number(&cell[key])).sum();
    Ok((sum("findings"), sum("compliant")))
}

/// Two hosts are patched, the third is exactly as before, and each run says so.
pub(crate) fn check_hosts(
    show: &mut Show,
    people: &People,
    hosts: &[Host],
    deployment: &Deployment,
    before: &Before,
) -> Result<()> {
    show.step("Ask each host's dpkg", |line| {
        let runs = runs(people, deployment)?;
        for host in hosts {
            let run = runs
                .get(&host.name)
                .with_context(|| format!("{} had no run", host.name))?;
            let audit = host.output(&["dpkg", "--audit"])?;
            if !audit.trim().is_empty() {
                bail!("dpkg --audit on {}: {audit}", host.name);
            }
            let (now, was) = (packages(host)?, &before.packages[&host.name]);
            let changed = now
                .iter()
                .filter(|(name, version)| was.get(*name) != Some(*version))
                .count();
            let sentence = if host.name == failing_host() {
                failed_and_rolled_back(run, &now, was)?
            } else {
                patched(run, changed, host)?
            };
            line.say(&format!("{}: {sentence}", host.name));
        }
        let sentence = format!(
            "Two hosts are patched and clean; {} failed on purpose and is exactly as before",
            failing_host()
        );
        Ok(((), sentence))
    })
}

fn patched(run: &Value, changed: usize, host: &Host) -> Result<String> {
    if run["status"] != "SUCCEEDED" || run["isConfirmed"] != true {
        bail!(
            "the run of {} is {} (confirmed: {})",
            host.name,
            run["status"],
            run["isConfirmed"]
        );
    }
    if changed == 0 {
        bail!("dpkg on {} shows no change", host.name);
    }
    Ok(format!(
        "{changed} packages changed, dpkg --audit is clean, findings closed"
    ))
}

fn failed_and_rolled_back(run: &Value, now: &Packages, was: &Packages) -> Result<String> {
    let code = text(run, "/error/code")?;
    if run["status"] != "ROLLED_BACK" || !code.to_lowercase().contains("script") {
        bail!(
            "the run of {} is {} because of {}",
            failing_host(),
            run["status"],
            run["error"]
        );
    }
    if now != was {
        let differs: Vec<_> = now
            .iter()
            .filter(|(name, version)| was.get(*name) != Some(*version))
            .collect();
        bail!("{} was not rolled back: {differs:?}", failing_host());
    }
    Ok(format!(
        "{FAILING} failed ({code}); every package is back at its old version"
    ))
}

/// Runs of the deployment by host name.
pub(crate) fn runs(people: &People, deployment: &Deployment) -> Result<BTreeMap<String, Value>> {
    let query = "query($id: ID!) { node(id: $id) { ... on Deployment { runs(first: 20) { nodes {
        status isConfirmed bytesFromRelay bytesFromOrigin host { hostname }
        error { code message remediation } } } } } }";
    let answer = people
        .requester
        .api
        .query(query, json!({ "id": deployment.id }))?;
    list(&answer, "/node/runs/nodes")?
        .iter()
        .map(|run| Ok((text(run, "/host/hostname")?, run.clone())))
        .collect()
}

/// Bytes came through the relay, once from the mirror and then from its cache.
pub(crate) fn check_relay(
    show: &mut Show,
    relay: &Relay,
    people: &People,
    deployment: &Deployment,
) -> Result<()> {
    show.step("Ask the relay what it fetched and what it served", |line| {
        for (host, run) in runs(people, deployment)? {
            let bytes = number(&run["bytesFromRelay"]);
            if bytes == 0 || number(&run["bytesFromOrigin"]) > 0 {
                bail!("{host} did not fetch through the relay alone: {run}");
            }
            line.say(&format!(
                "{host} got {} through the relay",
                megabytes(bytes)
            ));
        }
        let counted = &relay.status()?["counted"];
        let (served, fetched) = (
            number(&counted["bytes_served"]),
            number(&counted["bytes_fetched"]),
        );
        let hits = number(&counted["hits"]);
        // Three hosts with nearly the same packages: most bytes must have come from the cache.
        if fetched == 0 || hits == 0 || served < fetched * 2 {
            bail!("the relay's counters do not show a cache at work: {counted}");
        }
        let sentence = format!(
            "The relay fetched {} from the mirror once and served {} to the hosts",
            megabytes(fetched),
            megabytes(served)
        );
        Ok(((), sentence))
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Fewer open findings than before, and the two patched hosts have none that a patch would close.
pub(crate) fn check_compliance(show: &mut Show, people: &People, before: &Before) -> Result<()> {
    show.step("Compare compliance before and after", |line| {
        let input = json!({ "organizationId": people.organization, "label": "after" });
        let selection = "snapshot { cells { hosts compliant findings } }";
        let taken = people.requester.api.mutate("complianceSnapshotTake", input, selection)?;
        let (findings, compliant) = figures(&taken["snapshot"])?;
        for host in hosts_of(people)? {
            let open: u64 =
                list(&host, "/openFindings")?.iter().map(|count| number(&count["count"])).sum();
            line.say(&format!("{}: {open} open findings", text(&host, "/hostname")?));
        }
        if findings >= before.findings || compliant <= before.compliant {
            bail!(
                "compliance did not improve: {} then {findings} findings, {} then {compliant} compliant",
                before.findings,
                before.compliant
            );
        }
        Ok(((), format!("Open findings fell from {} to {findings}", before.findings)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_sites_and_severities() {
        let snapshot = json!({ "cells": [
            { "hosts": 3, "compliant": 1, "findings": 4 },
            { "hosts": 3, "compliant": 2, "findings": 6 },
        ] });
        assert_eq!(figures(&snapshot).expect("two cells"), (10, 3));
        assert!(figures(&json!({})).is_err());
    }

    #[test]
    fn a_rollback_that_left_a_difference_is_not_one() {
        let run =
            json!({ "status": "ROLLED_BACK", "error": { "code": "MAINTAINER_SCRIPT_FAILED" } });
        let was = Packages::from([("a".to_owned(), "1".to_owned())]);
        assert!(failed_and_rolled_back(&run, &was, &was).is_ok());
        let now = Packages::from([("a".to_owned(), "2".to_owned())]);
        assert!(failed_and_rolled_back(&run, &now, &was).is_err());
    }
}
