//! The relay: claimed by its code, on the hosts' LAN with one leg and on the machine with the other.

use super::api::text;
use super::platform::{People, Platform};
use super::process::Process;
use super::show::{Show, until};
use crate::hosts::lan::Lan;
use crate::shell;
use crate::workspace::Target;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where it listens for agents, on the LAN.
const PORT: u16 = 7443;

/// A running relay. Dropping it stops it.
pub(crate) struct Relay {
    /// Where hosts reach it.
    pub(crate) address: String,
    program: PathBuf,
    data: PathBuf,
    _process: Process,
}

impl Relay {
    /// What `netpatch-relay status -o json` says.
    pub(crate) fn status(&self) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command
            .args(["status", "-o", "json", "--data-dir"])
            .arg(&self.data);
        let text = shell::output(&mut command)?;
        serde_json::from_str(&text).context("parse the relay's status")
    }
}

/// Claims a relay for the site, as a technician would, and waits until the platform sees it.
pub(crate) fn start(
    show: &mut Show,
    target: &Target,
    platform: &Platform,
    people: &People,
    site: &str,
    lan: &Lan,
    folder: &Path,
) -> Result<Relay> {
    show.step("Claim a relay by its code and start it", |line| {
        let program = target.program("netpatch-relay");
        let data = folder.join("relay");
        let words = |verb: &str, more: &[&str]| -> Vec<OsString> {
            let mut words = vec![program.clone().into_os_string(), verb.into()];
            words.extend(["--data-dir".into(), data.clone().into_os_string()]);
            words.extend(more.iter().map(OsString::from));
            words
        };
        let root = platform.root_fingerprint()?;
        let claim = words(
            "claim",
            &["--server", &platform.quic, "--fingerprint", &root],
        );
        let mut claim = Process::start(folder, "relay-claim", claim)?;
        let code = until("the relay's claim code", Duration::from_secs(60), || {
            claim.must_run()?;
            Ok(claim_code(&claim.stdout()?).or(claim_code(&claim.stderr()?)))
        })?;
        line.say(&format!("the relay shows claim code {code}"));
        let claimed = people.administrator.api.mutate(
            "relayClaim",
            json!({
                "organizationId": people.organization, "siteId": site,
                "claimCode": code, "name": "harbour-relay",
            }),
            "relay { id }",
        )?;
        let id = text(&claimed, "/relay/id")?;
        claim.wait(Duration::from_secs(60))?;
        let address = format!("{}:{PORT}", lan.gateway());
        let mut process = Process::start(folder, "relay", words("run", &["--listen", &address]))?;
        until("the relay to be online", Duration::from_secs(60), || {
            process.must_run()?;
            let query = "query($id: ID!) { node(id: $id) { ... on Relay { status } } }";
            let answer = people.administrator.api.query(query, json!({ "id": id }))?;
            Ok((answer["node"]["status"] == "ONLINE").then_some(()))
        })?;
        let sentence = format!("A relay is online, on the hosts' LAN at {address}");
        Ok((
            Relay {
                address,
                program: program.clone(),
                data: data.clone(),
                _process: process,
            },
            sentence,
        ))
    })
}

/// Eight consonants in two groups, as in `BCDF-GHJK`.
fn claim_code(text: &str) -> Option<String> {
    let is_group = |group: &str| {
        group.len() == 4
            && group
                .bytes()
                .all(|byte| b"BCDFGHJKLMNPQRSTVWXZ".contains(&byte))
    };
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
        .find(|word| {
            word.split_once('-')
                .is_some_and(|(one, two)| is_group(one) && is_group(two))
        })
        .map(String::from)
}

#[cfg(test)]
mod tests {
    use super::claim_code;

    #[test]
    fn the_code_is_found_among_words() {
        assert_eq!(
            claim_code("claim code BCDF-GHJK, 15 min").as_deref(),
            Some("BCDF-GHJK")
        );
        assert_eq!(claim_code("SOME-TEXT without-code"), None);
    }
}
