//! A program of the organization that is told of events, by webhooks whose signature it checks.

use super::api::{list, text};
use super::platform::People;
use super::process::Process;
use super::rollout::Deployment;
use super::show::{Show, until};
use crate::workspace;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// What it wants to be told.
const EVENTS: [&str; 2] = ["approval.requested", "deployment.run.failed"];

/// The program that listens, and its endpoint in the API. Dropping it stops it.
pub(crate) struct Receiver {
    endpoint: String,
    process: Process,
}

/// Starts it on the loopback interface and registers its address. The platform refuses private addresses;
/// the demo's was started with the switch that allows them.
pub(crate) fn register(show: &mut Show, people: &People, folder: &Path) -> Result<Receiver> {
    show.step("Register a webhook", |_| {
        let secret = folder.join("webhook-secret");
        let script = workspace::root().join("infra/hosts/webhook-receiver.py");
        let words = ["python3".as_ref(), "-u".as_ref(), script.as_os_str()];
        let words = words.into_iter().chain([secret.as_os_str()]);
        let mut process = Process::start(folder, "webhook-receiver", words)?;
        let port = until("the receiver's port", Duration::from_secs(20), || {
            process.must_run()?;
            Ok(process.stdout()?.lines().find_map(port_of))
        })?;
        let made = people.requester.api.mutate(
            "webhookCreate",
            json!({
                "organizationId": people.organization, "events": EVENTS,
                "url": format!("http://127.0.0.1:{port}/events"),
            }),
            "secret webhook { id }",
        )?;
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&secret)?
            .write_all(text(&made, "/secret")?.as_bytes())?;
        let endpoint = text(&made, "/webhook/id")?;
        let sentence = "A program asks to be told when an approval is needed or a run fails";
        Ok((Receiver { endpoint, process }, sentence.to_owned()))
    })
}

/// It was told of both, once each signature held and a changed message's did not.
pub(crate) fn check(
    show: &mut Show,
    people: &People,
    receiver: &mut Receiver,
    deployment: &Deployment,
) -> Result<()> {
    show.step("Ask the program what it was told", |line| {
        let told = until("both webhooks", Duration::from_secs(120), || {
            receiver.process.must_run()?;
            let told = messages(&receiver.process.stdout()?)?;
            let has = |event: &str| told.iter().any(|message| message["type"] == event);
            Ok(EVENTS.iter().all(|event| has(event)).then_some(told))
        })?;
        let failed = told
            .iter()
            .find(|message| message["type"] == "deployment.run.failed")
            .filter(|message| message["data"]["deployment"] == json!(deployment.id))
            .context("the failed run is another deployment's")?;
        line.say(&format!(
            "a run failed: {}",
            failed["data"]["cause"].as_str().unwrap_or_default()
        ));
        let arrived = arrived(people, &receiver.endpoint)?;
        let sentence = format!(
            "The program was told {} times; every signature holds, and none with one byte changed",
            told.len()
        );
        line.say(&format!("the platform counts {arrived} as arrived"));
        Ok(((), sentence))
    })
}

/// How many deliveries the platform says arrived.
fn arrived(people: &People, endpoint: &str) -> Result<usize> {
    let query = "query($id: ID!) { node(id: $id) { ... on Webhook {
        deliveries(first: 100) { nodes { deliveredAt } } } } }";
    until("the delivery in the API", Duration::from_secs(60), || {
        let answer = people
            .requester
            .api
            .query(query, json!({ "id": endpoint }))?;
        let deliveries = list(&answer, "/node/deliveries/nodes")?;
        let arrived = deliveries
            .iter()
            .filter(|delivery| !delivery["deliveredAt"].is_null())
            .count();
        Ok((arrived >= EVENTS.len()).then_some(arrived))
    })
}

fn port_of(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["port"].as_u64()
}

/// The bodies of what came, in order; the line with the port is none.
fn messages(output: &str) -> Result<Vec<Value>> {
    let mut messages = Vec::new();
    for line in output.lines().skip(1) {
        let mut came: Value = serde_json::from_str(line).context("parse what the receiver said")?;
        messages.push(came["message"].take());
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_port_and_the_others_what_came() {
        let output = "{\"port\": 41}\n{\"id\": \"a\", \"message\": {\"type\": \"x\"}}\n";
        assert_eq!(output.lines().find_map(port_of), Some(41));
        assert_eq!(
            messages(output).expect("one message"),
            [json!({ "type": "x" })]
        );
    }
}
