//! The platform's process, the organization, its people and its site.

use super::api::{Api, text};
use super::process::Process;
use super::repository::Repository;
use super::show::{Show, until};
use crate::hosts::sources::Sources;
use crate::workspace::{self, Target};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running `netpatch serve`. Dropping it stops it and its database.
pub(crate) struct Platform {
    /// Its data folder.
    pub(crate) data: PathBuf,
    /// `http://ADDRESS` of portal and API.
    pub(crate) http: String,
    /// Where agents and relays reach it.
    pub(crate) quic: String,
    _process: Process,
}

impl Platform {
    /// The portal's address.
    pub(crate) fn portal(&self) -> String {
        format!("{}/", self.http)
    }

    /// Signs in with the login that the first start wrote down.
    pub(crate) fn administrator(&self) -> Result<Person> {
        let file = self.data.join("keys/bootstrap-admin");
        let login = fs::read_to_string(&file)
            .with_context(|| format!("read the first login from {}", file.display()))?;
        let login: Value = serde_json::from_str(&login).context("parse the first login")?;
        person(
            self,
            "Administrator",
            text(&login, "/email")?,
            text(&login, "/password")?,
        )
    }

    /// The fingerprint that relays are given to trust it.
    pub(crate) fn root_fingerprint(&self) -> Result<String> {
        let file = self.data.join("platform-root.sha256");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }
}

/// Starts the platform on free ports of the loopback interface and waits until it takes work.
pub(crate) fn start(show: &mut Show, target: &Target, folder: &Path) -> Result<Platform> {
    show.step("Start the platform with its own PostgreSQL", |_| {
        let data = folder.join("platform");
        let mut words: Vec<OsString> = vec![target.program("netpatch").into(), "serve".into()];
        words.extend(["--data-dir".into(), data.clone().into()]);
        words.extend(["--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"].map(OsString::from));
        // The program that is told of events listens on this machine.
        words.push("--allow-private-webhooks".into());
        let portal = workspace::root().join("web/dist");
        if portal.exists() {
            words.extend(["--portal".into(), portal.into()]);
        }
        let mut process = Process::start(folder, "platform", words)?;
        let (http, quic) = until(
            "the platform's ready line",
            Duration::from_secs(120),
            || {
                process.must_run()?;
                Ok(process.stdout()?.lines().find_map(ready_line))
            },
        )?;
        let sentence = format!("The platform takes work on {http}");
        let http = format!("http://{http}");
        Ok((
            Platform {
                data,
                http,
                quic,
                _process: process,
            },
            sentence,
        ))
    })
}

/// `ready http=ADDR quic=ADDR`
fn ready_line(line: &str) -> Option<(String, String)> {
    let (http, quic) = line.strip_prefix("ready http=")?.split_once(" quic=")?;
    Some((http.to_owned(), quic.trim().to_owned()))
}

/// Somebody with a login of their own.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) api: Api,
}

/// The organization and those who act in it.
pub(crate) struct People {
    /// The organization whose hosts are patched.
    pub(crate) organization: String,
    /// Set everything up once; also calls the command line's administrative commands.
    pub(crate) administrator: Person,
    /// Plans patches.
    pub(crate) requester: Person,
    /// Approves what the requester may not approve alone.
    pub(crate) approver: Person,
}

/// Signs in as the bootstrap administrator; makes an organization and its two people.
pub(crate) fn people(show: &mut Show, platform: &Platform) -> Result<People> {
    show.step(
        "Create an organization with a requester and an approver",
        |_| {
            let administrator = platform.administrator()?;
            let api = &administrator.api;
            let own = api.query(
                "query { viewer { organizations(first: 10) { nodes { id kind } } } }",
                json!({}),
            )?;
            let partner = text(&own, "/viewer/organizations/nodes/0/id")?;
            let created = api.mutate(
                "organizationCreate",
                json!({ "name": "Harbour Logistics", "kind": "CUSTOMER", "partnerId": partner }),
                "organization { id }",
            )?;
            let organization = text(&created, "/organization/id")?;
            let create = |email: &str, name: &str, role: &str| {
                let input = json!({
                    "organizationId": organization, "email": email, "name": name, "roles": [role],
                });
                let user = api.mutate("userCreate", input, "userId initialPassword")?;
                let password = text(&user, "/initialPassword")?;
                person(platform, name, email.to_owned(), password)
            };
            let requester = create(
                "requester@harbour.example",
                "Robin Requester",
                "PATCH_ADMIN",
            )?;
            let approver = create("approver@harbour.example", "Alex Approver", "APPROVER")?;
            let sentence = "Harbour Logistics has a requester and an approver".to_owned();
            Ok((
                People {
                    organization,
                    administrator,
                    requester,
                    approver,
                },
                sentence,
            ))
        },
    )
}

fn person(platform: &Platform, name: &str, email: String, password: String) -> Result<Person> {
    let api = Api::sign_in(&platform.http, &email, &password)?;
    Ok(Person {
        name: name.to_owned(),
        email,
        password,
        api,
    })
}

/// Makes the site, with the addresses that its relay may fetch from.
pub(crate) fn site(show: &mut Show, people: &People, repository: &Repository) -> Result<String> {
    show.step("Create a site", |_| {
        let mut upstreams = Sources::of_this_machine()?.addresses();
        upstreams.push(repository.address.clone());
        let created = people.administrator.api.mutate(
            "siteCreate",
            json!({
                "organizationId": people.organization, "name": "Harbour office",
                "timeZone": "Europe/Berlin", "directAllowed": false, "upstreams": upstreams,
            }),
            "site { id }",
        )?;
        let sentence =
            "The site Harbour office lets its hosts fetch through a relay only".to_owned();
        Ok((text(&created, "/site/id")?, sentence))
    })
}

#[cfg(test)]
mod tests {
    use super::ready_line;

    #[test]
    fn the_ready_line_names_both_addresses() {
        let line = ready_line("ready http=127.0.0.1:80 quic=127.0.0.1:443");
        assert_eq!(line, Some(("127.0.0.1:80".into(), "127.0.0.1:443".into())));
        assert_eq!(ready_line("starting"), None);
    }
}
