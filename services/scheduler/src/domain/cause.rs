//! Failure causes and refusals (closed lists of domain.md and details.md): what they mean and what to do next.

use netpatch_scheduler_api::RunError;

/// (word, for a person, next step, whether trying again may help)
const CAUSES: [(&str, &str, &str, bool); 28] = [
    (
        "payload_corrupt",
        "a package arrived damaged",
        "run again; if it stays, verify the relay's cache",
        true,
    ),
    (
        "signature_invalid",
        "the repository's signature does not verify",
        "check the host's sources and keyrings",
        false,
    ),
    (
        "dependency_unsatisfiable",
        "a dependency cannot be satisfied",
        "look at the packages named below and at the host's holds",
        false,
    ),
    (
        "package_manager_locked",
        "another program holds the package manager's lock",
        "run again when it has finished",
        true,
    ),
    (
        "maintainer_script_failed",
        "a package's own script failed",
        "read the lines below; report it to the vendor or block the version",
        false,
    ),
    (
        "disk_full",
        "the disk is full",
        "free space on the host, then run again",
        true,
    ),
    (
        "network_unreachable",
        "packages could not be fetched",
        "check the relay and its upstreams, then run again",
        true,
    ),
    (
        "window_too_short",
        "the window was too short",
        "give the window more time",
        false,
    ),
    (
        "service_unhealthy_after",
        "a service did not come back after the update",
        "look at the service on the host",
        false,
    ),
    (
        "reboot_did_not_return",
        "the host did not come back after its reboot",
        "look at the host's console",
        false,
    ),
    (
        "incompatible",
        "hardware or operating system cannot take the update",
        "exclude the host",
        false,
    ),
    (
        "hold_or_block_list",
        "the package is held or blocked",
        "release the hold or leave it",
        false,
    ),
    (
        "agent_too_old",
        "the agent is too old for this order",
        "update the agent",
        false,
    ),
    (
        "timeout",
        "it took longer than it may",
        "look at the host; the package manager was not killed",
        true,
    ),
    (
        "snapshot_failed",
        "the way back could not be prepared",
        "free space on the host, then run again",
        true,
    ),
    ("cancelled", "stopped before the install", "none", false),
    (
        "unknown",
        "failed for a reason that is not known",
        "read the lines below",
        false,
    ),
    (
        "not_in_cohort",
        "the host is not in the order's target",
        "none",
        false,
    ),
    (
        "order_expired",
        "the order had expired",
        "deploy again",
        false,
    ),
    (
        "signature",
        "the order's signatures do not suffice",
        "check the organization's keys; somebody may have forged an order",
        false,
    ),
    (
        "replay",
        "the order was older than one already seen",
        "none; somebody may have replayed an order",
        false,
    ),
    (
        "plan_differs",
        "the host would install something that was not approved",
        "let it scan; the difference needs an approval",
        false,
    ),
    (
        "superseded",
        "the approved version is no longer to be had",
        "approve the newer version",
        false,
    ),
    (
        "hold",
        "the host holds the version",
        "release the hold or leave it",
        false,
    ),
    (
        "block_list",
        "the package is on the block list",
        "none",
        false,
    ),
    ("audit_only", "the host is audit only", "none", false),
    (
        "not_confirmed",
        "the host says succeeded, but still carries the findings",
        "look at the host's packages and scan again",
        true,
    ),
    (
        "silent",
        "the host has not been heard of",
        "look at the host; it resumes by itself",
        false,
    ),
];

/// A cause with its explanation. `unknown(100)` carries the exit code.
pub(crate) fn explain(cause: &str, message: &str, evidence: Vec<String>) -> RunError {
    let word = cause.split('(').next().unwrap_or(cause);
    let known = CAUSES
        .iter()
        .find(|(known, ..)| *known == word)
        .or_else(|| CAUSES.iter().find(|(known, ..)| *known == "unknown"));
    let (title, next, retry) = known.map_or(("", "", false), |(_, title, next, retry)| {
        (*title, *next, *retry)
    });
    RunError {
        code: cause.chars().take(40).collect(),
        message: if message.is_empty() {
            title.to_owned()
        } else {
            format!("{title}: {message}")
        },
        remediation: next.to_owned(),
        retry,
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_sentence_and_an_unknown_one_too() {
        let error = explain(
            "maintainer_script_failed",
            "pm-failpost",
            vec!["boom".into()],
        );
        assert_eq!(error.message, "a package's own script failed: pm-failpost");
        assert!(!error.remediation.is_empty());
        assert_eq!(explain("unknown(100)", "", vec![]).code, "unknown(100)");
        assert!(!explain("never heard of", "", vec![]).message.is_empty());
    }
}
