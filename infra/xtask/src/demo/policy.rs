//! The policy, and what it leaves to a person.

use super::api::{list, text};
use super::platform::People;
use super::repository::FAILING;
use super::show::{Show, until};
use super::window::Window;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// Critical and security patches by themselves, everything else by a person.
pub(crate) fn create(show: &mut Show, people: &People, window: &Window) -> Result<String> {
    show.step("Create a policy", |_| {
        let created = people.requester.api.mutate(
            "policyCreate",
            json!({
                "organizationId": people.organization,
                "name": "Security by itself, the rest by a person",
                "rules": [
                    { "name": "critical and security", "classifications": ["CRITICAL", "SECURITY"],
                      "decision": "APPROVE" },
                    { "name": "the rest", "decision": "REQUIRE_APPROVALS", "requiredApprovals": 1 },
                ],
                "rollout": {
                    "waves": [{ "hosts": 1 }, { "percent": 100 }],
                    // One host of the second wave fails on purpose.
                    "minSuccessPercent": 50, "maxFailed": 1, "soakSeconds": 3,
                },
                "windowIds": [window.id],
            }),
            "policy { id sentence }",
        )?;
        Ok((
            text(&created, "/policy/id")?,
            text(&created, "/policy/sentence")?,
        ))
    })
}

/// Lets the policy decide, then the approver about the failing package. Returns the approved patches.
pub(crate) fn approve(
    show: &mut Show,
    people: &People,
    policy: &str,
    pending: usize,
) -> Result<Vec<String>> {
    show.step("Let the policy decide, and a person about the rest", |line| {
        let input = json!({ "id": policy });
        people.requester.api.mutate("policyEvaluate", input, "approvals { id }")?;
        let approvals = until("a decision about every patch", Duration::from_secs(60), || {
            let approvals = approvals(people)?;
            Ok((approvals.len() >= pending).then_some(approvals))
        })?;
        let (waiting, decided): (Vec<_>, Vec<_>) =
            approvals.iter().partition(|approval| approval["status"] == "AWAITING");
        let mut patches = Vec::new();
        for approval in decided {
            if approval["status"] == "APPROVED" && approval["isAutomatic"] == true {
                patches.push(text(approval, "/subject/id")?);
            }
        }
        if patches.is_empty() {
            bail!("the policy approved nothing by itself");
        }
        let automatic = patches.len();
        line.say(&format!("{automatic} patches are approved by rule, {} wait", waiting.len()));
        let failing = waiting
            .iter()
            .find(|approval| approval["title"].as_str().is_some_and(|title| title.contains(FAILING)))
            .with_context(|| format!("no approval waits for {FAILING}"))?;
        let patch = text(failing, "/subject/id")?;
        let input = json!({ "organizationId": people.organization, "patchId": patch });
        let api = &people.requester.api;
        let asked = api.mutate("approvalRequest", input, "approval { id }")?;
        self_approval_is_refused(people, &asked["approval"])?;
        line.say("the requester asks for it, and may not approve it alone");
        decide(people, &asked["approval"])?;
        patches.push(patch);
        let sentence = format!(
            "{automatic} security patches are approved by rule; {FAILING} waited and the approver approved it"
        );
        Ok((patches, sentence))
    })
}

/// All approvals of the organization; the policy decides in the background as well as when it is told to.
fn approvals(people: &People) -> Result<Vec<Value>> {
    let answer = people.requester.api.query(
        "query($id: ID!) { approvals(first: 100, filter: { organizationId: $id }) { nodes {
            id title status isAutomatic subject { id } } } }",
        json!({ "id": people.organization }),
    )?;
    list(&answer, "/approvals/nodes").cloned()
}

/// Who asked may not decide.
fn self_approval_is_refused(people: &People, approval: &Value) -> Result<()> {
    let input = json!({ "id": approval["id"], "verdict": "APPROVE", "reason": "trying" });
    match people
        .requester
        .api
        .mutate("approvalDecide", input, "approval { status }")
    {
        Ok(_) => bail!("the requester could approve alone"),
        Err(error) if format!("{error:#}").contains("SELF_APPROVAL") => Ok(()),
        Err(error) => Err(error),
    }
}

/// The approver approves.
pub(crate) fn decide(people: &People, approval: &Value) -> Result<()> {
    let input = json!({
        "id": approval["id"], "verdict": "APPROVE", "reason": "reviewed for the maintenance window",
    });
    let selection = "approval { status }";
    let decided = people
        .approver
        .api
        .mutate("approvalDecide", input, selection)?;
    if decided["approval"]["status"] != "APPROVED" {
        bail!(
            "after the approver's decision the approval is {}",
            decided["approval"]["status"]
        );
    }
    Ok(())
}
