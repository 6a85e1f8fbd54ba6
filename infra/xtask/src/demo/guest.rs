//! Somebody who looks on while the demo plays: nobody, or the browser of the test command.

use super::api::{list, text};
use super::estate::{failing_host, hosts_of};
use super::platform::{People, Person, Platform};
use super::relay::Relay;
use super::repository::FAILING;
use super::rollout::Deployment;
use super::show::Show;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Called at two moments of the demo, with what is to be seen. `folder` goes with the demo.
pub(crate) trait Guest {
    /// The deployment is planned; its first wave opens any moment.
    fn rollout_begins(&mut self, show: &mut Show, folder: &Path, facts: &Value) -> Result<()>;
    /// The rollout is over and proven.
    fn rollout_ended(&mut self, show: &mut Show, folder: &Path, facts: &Value) -> Result<()>;
}

/// Nobody looks.
pub(crate) struct Nobody;

impl Guest for Nobody {
    fn rollout_begins(&mut self, _: &mut Show, _: &Path, _: &Value) -> Result<()> {
        Ok(())
    }

    fn rollout_ended(&mut self, _: &mut Show, _: &Path, _: &Value) -> Result<()> {
        Ok(())
    }
}

/// Where everything is and what it is called, for who can only look. Holds passwords.
pub(crate) fn facts(
    platform: &Platform,
    people: &People,
    relay: &Relay,
    deployment: &Deployment,
) -> Result<Value> {
    let query = "query($id: ID!, $deployment: ID!) {
        organization(id: $id) { slug sites(first: 1) { nodes { name } } }
        findings(first: 1, filter: { organizationId: $id }) { nodes { advisory { id } } }
        deployment: node(id: $deployment) { ... on Deployment { runs(first: 20) { nodes {
            id host { hostname } } } } } }";
    let ids = json!({ "id": people.organization, "deployment": deployment.id });
    let answer = people.requester.api.query(query, ids)?;
    let hosts: Vec<_> = hosts_of(people)?
        .iter()
        .map(|host| json!({ "id": host["id"], "name": host["hostname"] }))
        .collect();
    let failing = hosts.iter().find(|host| host["name"] == failing_host());
    let run = list(&answer, "/deployment/runs/nodes")?
        .iter()
        .find(|run| run["host"]["hostname"] == failing_host());
    Ok(json!({
        "url": platform.http,
        "organization": text(&answer, "/organization/slug")?,
        "site": text(&answer, "/organization/sites/nodes/0/name")?,
        "edge": platform.quic,
        "relay": relay.address,
        "failing": failing.context("the host that fails is not in the API")?,
        "hosts": hosts,
        "packageThatFails": FAILING,
        "deployment": deployment.id,
        "run": run.map(|run| run["id"].clone()),
        "advisory": text(&answer, "/findings/nodes/0/advisory/id")?,
        "requester": login(&people.requester),
        "approver": login(&people.approver),
    }))
}

/// What it takes to sign in as somebody, and the name that others read.
pub(crate) fn login(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "password": person.password })
}
