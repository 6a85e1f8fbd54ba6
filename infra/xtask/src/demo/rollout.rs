//! The deployment: planned in waves, run in the window, watched until it ends.

use super::api::{list, number, text};
use super::estate::failing_host;
use super::platform::People;
use super::policy;
use super::show::{Line, Show, until};
use super::window::Window;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// Which host is the canary follows from a hash of deployment and host; that the one host that fails on
/// purpose is the canary (one time in three) would end the demo early.
const PLANS: usize = 12;

/// A planned deployment.
pub(crate) struct Deployment {
    pub(crate) id: String,
    /// The one host of the first wave.
    pub(crate) canary: String,
}

/// Plans a deployment whose canary is not the host that fails on purpose, and has it approved.
pub(crate) fn create(
    show: &mut Show,
    people: &People,
    policy: &str,
    patches: &[String],
) -> Result<Deployment> {
    show.step("Plan a deployment in waves", |line| {
        approvals_are_usable(people, policy, patches, line)?;
        for _ in 0..PLANS {
            let (id, canary, sizes) = plan(people, policy, patches)?;
            if canary == failing_host() {
                line.say(&format!(
                    "planned again: the canary would be {canary}, which is to fail"
                ));
                let input = json!({ "id": id, "reason": "planned again with another canary" });
                let api = &people.requester.api;
                api.mutate_as(
                    "deploymentCancel",
                    "DeploymentChangeInput",
                    input,
                    "deployment { status }",
                )?;
                continue;
            }
            approve_if_needed(people, &id)?;
            let sentence = format!(
                "A deployment of {} patches is planned: {canary} first, then {} hosts",
                patches.len(),
                sizes.get(1).copied().unwrap_or_default()
            );
            return Ok((Deployment { id, canary }, sentence));
        }
        bail!("{PLANS} plans in a row made {} the canary", failing_host())
    })
}

const PLAN: &str = "deployment { id status } plan { hostCount waves { ordinal hostCount hostnames }
    missing { reason patch { name } } }";

fn input(people: &People, policy: &str, patches: &[String], is_trial: bool) -> Value {
    json!({
        "organizationId": people.organization, "policyId": policy, "patchIds": patches,
        "name": "This week's security patches", "dryRun": is_trial,
    })
}

/// An approval counts only when it stands in the ledger, which takes a moment.
fn approvals_are_usable(
    people: &People,
    policy: &str,
    patches: &[String],
    line: &mut Line,
) -> Result<()> {
    until(
        "approvals that stand in the ledger",
        Duration::from_secs(60),
        || {
            let api = &people.requester.api;
            let tried = api.mutate(
                "deploymentCreate",
                input(people, policy, patches, true),
                PLAN,
            )?;
            let missing = list(&tried, "/plan/missing")?;
            if let Some(first) = missing.first() {
                line.say(&format!(
                    "{} patches cannot go yet: {}",
                    missing.len(),
                    first["reason"]
                ));
            }
            Ok(missing.is_empty().then_some(()))
        },
    )
}

fn plan(people: &People, policy: &str, patches: &[String]) -> Result<(String, String, Vec<u64>)> {
    let api = &people.requester.api;
    let created = api.mutate(
        "deploymentCreate",
        input(people, policy, patches, false),
        PLAN,
    )?;
    let missing = list(&created, "/plan/missing")?;
    if !missing.is_empty() {
        bail!("the plan misses approvals: {missing:?}");
    }
    let waves = list(&created, "/plan/waves")?;
    let sizes: Vec<_> = waves
        .iter()
        .map(|wave| number(&wave["hostCount"]))
        .collect();
    if sizes != [1, 2] {
        bail!("the waves have {sizes:?} hosts instead of 1 and 2");
    }
    let canary = text(&created, "/plan/waves/0/hostnames/0")?;
    Ok((text(&created, "/deployment/id")?, canary, sizes))
}

fn approve_if_needed(people: &People, id: &str) -> Result<()> {
    let query =
        "query($id: ID!) { node(id: $id) { ... on Deployment { status approval { id status } } } }";
    let answer = people.requester.api.query(query, json!({ "id": id }))?;
    if answer["node"]["status"] == "AWAITING_APPROVAL" {
        policy::decide(people, &answer["node"]["approval"])?;
    }
    Ok(())
}

const PROGRESS: &str = "query($id: ID!) { node(id: $id) { ... on Deployment { status reason
    waves { ordinal status reason counts { total succeeded failed rolledBack } }
    runs(first: 20) { nodes { status host { hostname } } } } } }";

/// Watches until the deployment has ended and says what happens on the way.
pub(crate) fn follow(
    show: &mut Show,
    people: &People,
    deployment: &Deployment,
    window: &Window,
) -> Result<()> {
    show.step("Roll out: canary, gate, second wave", |line| {
        line.say(&format!(
            "hosts stage now and install when the window opens at {}",
            window.opens_at
        ));
        let mut seen: Vec<String> = Vec::new();
        let ended = until("the deployment to end", Duration::from_secs(900), || {
            let answer = people
                .requester
                .api
                .query(PROGRESS, json!({ "id": deployment.id }))?;
            let state = answer["node"].clone();
            for happening in happenings(&state)? {
                if !seen.contains(&happening) {
                    line.say(&happening);
                    seen.push(happening);
                }
            }
            let status = text(&state, "/status")?;
            let is_over = ["COMPLETED", "CANCELLED", "HALTED"].contains(&status.as_str());
            Ok(is_over.then_some(state))
        })?;
        must_have_waited(people, deployment, window)?;
        let waves = list(&ended, "/waves")?;
        let passed = waves
            .iter()
            .filter(|wave| wave["status"] == "PASSED")
            .count();
        let status = text(&ended, "/status")?;
        if status != "COMPLETED" || passed != 2 {
            bail!(
                "the deployment is {status} ({}) with {passed} waves passed",
                ended["reason"]
            );
        }
        let sentence = format!(
            "The canary {} passed the gate, then the second wave passed",
            deployment.canary
        );
        Ok(((), sentence))
    })
}

fn happenings(state: &Value) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for wave in list(state, "/waves")? {
        let status = text(wave, "/status")?;
        if status != "WAITING" {
            lines.push(format!(
                "wave {} is {}",
                number(&wave["ordinal"]),
                status.to_lowercase()
            ));
        }
    }
    for run in list(state, "/runs/nodes")? {
        let status = text(run, "/status")?.to_lowercase().replace('_', " ");
        let host = text(run, "/host/hostname").context("a run without a host")?;
        lines.push(format!("{host}: {status}"));
    }
    Ok(lines)
}

const JOURNALS: &str =
    "query($id: ID!) { node(id: $id) { ... on Deployment { runs(first: 20) { nodes {
    host { hostname } events { status at } } } } } }";

/// Nothing was installed before the window opened. A fast host was staged by then and waited for it.
fn must_have_waited(people: &People, deployment: &Deployment, window: &Window) -> Result<()> {
    let api = &people.requester.api;
    let answer = api.query(JOURNALS, json!({ "id": deployment.id }))?;
    let runs = list(&answer, "/node/runs/nodes")?;
    if runs.is_empty() {
        bail!("the deployment has no run");
    }
    for run in runs {
        let host = text(run, "/host/hostname")?;
        let began = began(run)?.with_context(|| format!("{host} never began"))?;
        if second(&began) < second(&window.opens_at) {
            bail!("{host} began at {began}, before its window opened");
        }
    }
    Ok(())
}

/// When the run first touched the host: the earliest step that is more than fetching.
fn began(run: &Value) -> Result<Option<String>> {
    let touching = |event: &&Value| {
        ["SNAPSHOTTING", "INSTALLING"].contains(&event["status"].as_str().unwrap_or_default())
    };
    let first = list(run, "/events")?.iter().find(touching);
    first.map(|event| text(event, "/at")).transpose()
}

/// An RFC 3339 time in UTC, cut to the second, so that text compares as time does.
fn second(at: &str) -> &str {
    at.get(..19).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_when_it_first_touches_the_host() {
        let event = |status: &str, at: &str| json!({ "status": status, "at": at });
        let run = json!({ "events": [
            event("STAGING", "2026-01-01T00:00:01Z"),
            event("SNAPSHOTTING", "2026-01-01T00:00:05.2Z"),
            event("INSTALLING", "2026-01-01T00:00:06Z"),
        ] });
        let began = began(&run).expect("events").expect("it began");
        assert_eq!(began, "2026-01-01T00:00:05.2Z");
        assert!(second(&began) >= second("2026-01-01T00:00:05Z"));
        assert!(second(&began) < second("2026-01-01T00:00:06Z"));
    }
}
