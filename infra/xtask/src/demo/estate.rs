//! The three hosts, their agents and their first scan.

use super::api::{list, number, text};
use super::platform::{People, Platform};
use super::process::Process;
use super::relay::Relay;
use super::repository::{FAILING, Repository};
use super::show::{Show, until};
use crate::hosts::host::{Host, Spec};
use crate::hosts::lan::Lan;
use crate::hosts::sweep;
use crate::workspace::Target;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

/// Names and departments; the last has the package whose update fails.
const HOSTS: [(&str, &str, &str); 3] = [
    ("web-1", "sales", "internet"),
    ("files-1", "operations", "internal"),
    ("db-1", "operations", "internal"),
];

/// The LAN, removed when dropped.
pub(crate) struct OwnLan(Lan);

impl Deref for OwnLan {
    type Target = Lan;

    fn deref(&self) -> &Lan {
        &self.0
    }
}

impl Drop for OwnLan {
    fn drop(&mut self) {
        if let Err(error) = sweep::remove(&self.0.name) {
            eprintln!("warning: the hosts' LAN was not removed: {error:#}");
        }
    }
}

/// A LAN that ends nowhere.
pub(crate) fn lan(show: &mut Show) -> Result<OwnLan> {
    show.step("Make a LAN without a route to anywhere", |_| {
        let process = std::process::id();
        let lan = Lan::create(&format!("demo-{process}"), Some(process))?;
        let sentence = format!(
            "A LAN without a route is up; the relay's leg is {}",
            lan.gateway()
        );
        Ok((OwnLan(lan), sentence))
    })
}

/// Starts the hosts and proves that they reach nothing.
pub(crate) fn hosts(
    show: &mut Show,
    target: &Target,
    lan: &Lan,
    base: &Path,
    repository: &Repository,
) -> Result<Vec<Host>> {
    show.step("Start three Debian hosts", |line| {
        let mut hosts = Vec::new();
        for ((name, ..), last) in HOSTS.iter().zip(11..) {
            let fails = *name == failing_host();
            let spec = Spec {
                programs: vec![target.program("netpatch-agent")],
                sources: if fails {
                    vec![repository.source()]
                } else {
                    Vec::new()
                },
                dies_with_us: true,
                ..Spec::new(name)
            };
            let host = Host::start(lan, base, &spec, last)?;
            if fails {
                install_failing(&host, repository)?;
            }
            let routes = host.output(&["ip", "route", "show", "default"])?;
            if !routes.trim().is_empty() {
                bail!("{name} has a default route");
            }
            line.say(&format!("{name} is up at {}", host.address));
            hosts.push(host);
        }
        Ok((
            hosts,
            "Three Debian hosts are up, none with a route to the internet".to_owned(),
        ))
    })
}

/// The host that has the package whose update fails.
pub(crate) fn failing_host() -> &'static str {
    HOSTS[HOSTS.len() - 1].0
}

/// The older version, from a file, and the key to check the newer one with.
fn install_failing(host: &Host, repository: &Repository) -> Result<()> {
    let keys = host.root.join("etc/apt/keyrings");
    fs::create_dir_all(&keys)?;
    fs::copy(&repository.key, keys.join("local.asc")).context("copy the repository's key")?;
    let file = host.root.join("var/tmp/older.deb");
    fs::copy(repository.package_file("1.0-1"), &file).context("copy the older package")?;
    host.output(&["dpkg", "--install", "/var/tmp/older.deb"])?;
    fs::remove_file(file)?;
    let version = host.output(&["dpkg-query", "--show", "--showformat=${Version}", FAILING])?;
    if version != "1.0-1" {
        bail!("{} has {FAILING} {version}", host.name);
    }
    Ok(())
}

/// Enrols an agent on each host with a token, through the relay, and starts it.
pub(crate) fn enrol(
    show: &mut Show,
    hosts: &[Host],
    platform: &Platform,
    relay: &Relay,
    people: &People,
    site: &str,
) -> Result<Vec<Process>> {
    show.step("Enrol an agent on each host, through the relay", |line| {
        let mut agents = Vec::new();
        for (host, (_, department, exposure)) in hosts.iter().zip(HOSTS) {
            let created = people.administrator.api.mutate(
                "enrolmentTokenCreate",
                json!({
                    "organizationId": people.organization, "siteId": site, "maxUses": 1,
                    "ttlSeconds": 600, "labels": [
                        { "key": "department", "value": department },
                        { "key": "exposure", "value": exposure },
                    ],
                }),
                "token",
            )?;
            let token = host.root.join("root/token");
            fs::write(&token, text(&created, "/token")?)?;
            host.output(&[
                "netpatch-agent",
                "enroll",
                "--server",
                &platform.quic,
                "--token-file",
                "/root/token",
                "--relay",
                &relay.address,
            ])?;
            fs::remove_file(&token).ok();
            let folder = platform.data.parent().context("the platform's folder")?;
            let run = host.exec(&["netpatch-agent", "run"]);
            agents.push(Process::spawn(
                folder,
                &format!("agent-{}", host.name),
                run,
            )?);
            line.say(&format!("{} is enrolled", host.name));
        }
        until("three hosts in the API", Duration::from_secs(60), || {
            for agent in &mut agents {
                agent.must_run()?;
            }
            let hosts = hosts_of(people)?;
            Ok((hosts.len() == HOSTS.len()).then_some(()))
        })?;
        Ok((
            agents,
            "Three agents are enrolled and connected through the relay".to_owned(),
        ))
    })
}

/// Asks for a scan and waits until every host has reported what it has and what apt offers it.
/// Returns the number of pending patches.
pub(crate) fn scan(show: &mut Show, people: &People) -> Result<usize> {
    show.step("Scan, and match against the advisories", |line| {
        let input = json!({ "organizationId": people.organization });
        people
            .requester
            .api
            .mutate("hostScan", input, "requested")?;
        let limit = Duration::from_secs(180);
        let found = until("findings on every host", limit, || {
            let mut found = Vec::new();
            for host in hosts_of(people)? {
                let counts = list(&host, "/openFindings")?;
                let sum: u64 = counts.iter().map(|count| number(&count["count"])).sum();
                if !host["lastScanAt"].is_null() && sum > 0 {
                    found.push(format!("{} {sum}", text(&host, "/hostname")?));
                }
            }
            line.say(&format!(
                "{} of {} hosts have findings",
                found.len(),
                HOSTS.len()
            ));
            Ok((found.len() == HOSTS.len()).then_some(found))
        })?;
        let patches = until("what apt offers every host", limit, || offered(people))?;
        let sentence = format!(
            "{patches} patches are pending; open findings: {}",
            found.join(", ")
        );
        Ok((patches, sentence))
    })
}

/// The number of patches once all hosts have said what apt offers them: the update that fails is for one
/// host, and the hosts are alike otherwise.
fn offered(people: &People) -> Result<Option<usize>> {
    let answer = people.requester.api.query(
        "query($id: ID!) { patches(organizationId: $id, first: 100) { nodes { name hostCount } } }",
        json!({ "id": people.organization }),
    )?;
    let patches = list(&answer, "/patches/nodes")?;
    let is_complete = |patch: &Value| {
        let everywhere = number(&patch["hostCount"]) == HOSTS.len() as u64;
        everywhere
            || patch["name"]
                .as_str()
                .is_some_and(|name| name.contains(FAILING))
    };
    let has_failing = patches.iter().any(|patch| number(&patch["hostCount"]) == 1);
    Ok((has_failing && patches.iter().all(is_complete)).then_some(patches.len()))
}

/// All hosts of the organization.
pub(crate) fn hosts_of(people: &People) -> Result<Vec<Value>> {
    let answer = people.requester.api.query(
        "query($id: ID!) { organization(id: $id) { hosts(first: 10) { nodes {
            id hostname lastScanAt openFindings { severity count } } } } }",
        json!({ "id": people.organization }),
    )?;
    list(&answer, "/organization/hosts/nodes").cloned()
}
