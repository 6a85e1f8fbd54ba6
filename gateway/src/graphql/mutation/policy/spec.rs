//! What a policy says, from input.

use crate::graphql::Result;
use crate::graphql::context::same_organization;
use crate::graphql::model::{PatchClassification, PolicyDecision, Severity, WaveSizeInput};
use async_graphql::{ID, InputObject};
use netpatch_policy_api as policy;
use netpatch_types::{GroupId, OrganizationId, ServiceError, WindowId};

/// If all conditions hold, then decide. Conditions that are absent hold.
#[derive(Clone, InputObject)]
pub struct PolicyRuleInput {
    /// Unique in the policy.
    name: String,
    /// Any of these kinds.
    classifications: Option<Vec<PatchClassification>>,
    /// Any of these severities.
    severities: Option<Vec<Severity>>,
    /// CVSS base score at least.
    cvss_at_least: Option<f64>,
    /// EPSS at least, 0–1.
    epss_at_least: Option<f64>,
    /// (Not) known to be exploited.
    is_known_exploited: Option<bool>,
    /// Globs over source and binary package names.
    packages: Option<Vec<String>>,
    /// Labels of the offering repository.
    origin_labels: Option<Vec<String>>,
    /// What then.
    decision: PolicyDecision,
    /// How many distinct people, for `REQUIRE_APPROVALS`; 1 when absent.
    required_approvals: Option<i32>,
    /// Seconds after the patch was first seen, for `DEFER`.
    defer_seconds: Option<i32>,
}

/// How an approved patch rolls out.
#[derive(Clone, InputObject)]
pub struct RolloutInput {
    /// In order; the last takes what is left.
    waves: Vec<WaveSizeInput>,
    /// A wave passes when at least this share of its hosts is confirmed, 0–100.
    #[graphql(default_with = "Some(100)")]
    min_success_percent: Option<i32>,
    /// The deployment halts when more runs than this failed in a wave.
    #[graphql(default_with = "Some(0)")]
    max_failed: Option<i32>,
    /// Wait so long after a wave before its gate is read.
    #[graphql(default_with = "Some(0)")]
    soak_seconds: Option<i32>,
    /// A host that is silent for so long counts as failed.
    #[graphql(default_with = "Some(3600)")]
    silent_after_seconds: Option<i32>,
    /// How old a freshness statement may be when an install starts.
    #[graphql(default_with = "Some(900)")]
    lease_seconds: Option<i32>,
    /// Refuse hosts on which the transaction could not be rolled back.
    #[graphql(default_with = "Some(false)")]
    requires_rollback: Option<bool>,
    /// Reboot in the window when the update needs it.
    #[graphql(default_with = "Some(false)")]
    reboots_in_window: Option<bool>,
}

/// A new policy.
#[derive(Clone, InputObject)]
pub struct PolicyCreateInput {
    /// Whose.
    pub(super) organization_id: ID,
    /// Name, unique in the organization.
    name: String,
    /// Off: it decides nothing and deploys nothing.
    #[graphql(default_with = "Some(true)")]
    is_enabled: Option<bool>,
    /// Creates deployments by itself for what its rules approved.
    #[graphql(default_with = "Some(false)")]
    is_automatic: Option<bool>,
    /// Which hosts; absent: all of the organization.
    group_id: Option<ID>,
    /// In order; the first that matches decides.
    rules: Vec<PolicyRuleInput>,
    /// How it rolls out.
    rollout: RolloutInput,
    /// When; none: never.
    window_ids: Vec<ID>,
    /// The same key and input again change nothing again.
    pub(super) idempotency_key: ID,
}

/// A changed policy: everything that it says now.
#[derive(Clone, InputObject)]
pub struct PolicyUpdateInput {
    /// Which.
    pub(super) id: ID,
    /// The etag that was read.
    pub(super) if_match: Option<String>,
    /// Name, unique in the organization.
    name: String,
    /// Off: it decides nothing and deploys nothing.
    #[graphql(default_with = "Some(true)")]
    is_enabled: Option<bool>,
    /// Creates deployments by itself for what its rules approved.
    #[graphql(default_with = "Some(false)")]
    is_automatic: Option<bool>,
    /// Which hosts; absent: all of the organization.
    group_id: Option<ID>,
    /// In order; the first that matches decides.
    rules: Vec<PolicyRuleInput>,
    /// How it rolls out.
    rollout: RolloutInput,
    /// When; none: never.
    window_ids: Vec<ID>,
    /// The same key and input again change nothing again.
    pub(super) idempotency_key: ID,
}

macro_rules! spec {
    ($input:ident) => {
        impl $input {
            pub(super) fn spec(self, of: OrganizationId) -> Result<policy::PolicySpec> {
                let group = |id: &ID| {
                    same_organization::<GroupId>(id, of, GroupId::PREFIX, "groupId", "group")
                };
                let window = |id: &ID| {
                    same_organization::<WindowId>(id, of, WindowId::PREFIX, "windowIds", "window")
                };
                Ok(policy::PolicySpec {
                    name: self.name,
                    enabled: self.is_enabled.unwrap_or(true),
                    group: self.group_id.as_ref().map(group).transpose()?,
                    rules: self.rules.into_iter().map(rule).collect::<Result<_>>()?,
                    rollout: rollout(self.rollout)?,
                    windows: self.window_ids.iter().map(window).collect::<Result<_>>()?,
                    automatic: self.is_automatic.unwrap_or(false),
                })
            }
        }
    };
}

spec!(PolicyCreateInput);
spec!(PolicyUpdateInput);

fn count(field: &str, value: i32) -> Result<u32> {
    u32::try_from(value)
        .map_err(|_| ServiceError::invalid(field, format!("{field} cannot be negative")))
}

fn rule(input: PolicyRuleInput) -> Result<policy::Rule> {
    let then = match input.decision {
        PolicyDecision::Approve => policy::Decision::Approve,
        PolicyDecision::RequireApprovals => policy::Decision::RequireApprovals {
            count: count("requiredApprovals", input.required_approvals.unwrap_or(1))?,
        },
        PolicyDecision::Defer => {
            let seconds = input.defer_seconds.ok_or_else(|| {
                ServiceError::invalid("deferSeconds", "DEFER says for how many seconds")
            })?;
            policy::Decision::Defer {
                seconds: count("deferSeconds", seconds)?,
            }
        }
        PolicyDecision::Block => policy::Decision::Block,
    };
    Ok(policy::Rule {
        name: input.name,
        classifications: input
            .classifications
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        severities: input
            .severities
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        cvss_at_least: input.cvss_at_least,
        epss_at_least: input.epss_at_least,
        kev: input.is_known_exploited,
        packages: input.packages.unwrap_or_default(),
        origin_labels: input.origin_labels.unwrap_or_default(),
        then,
    })
}

fn rollout(input: RolloutInput) -> Result<policy::Rollout> {
    let size = |size: WaveSizeInput| match (size.hosts, size.percent) {
        (Some(hosts), None) => Ok(policy::WaveSize::Count {
            hosts: count("hosts", hosts)?,
        }),
        (None, Some(percent)) => Ok(policy::WaveSize::Percent {
            percent: count("percent", percent)?,
        }),
        _ => Err(ServiceError::invalid(
            "rollout",
            "a wave has either hosts or percent",
        )),
    };
    Ok(policy::Rollout {
        waves: input.waves.into_iter().map(size).collect::<Result<_>>()?,
        min_success_percent: count(
            "minSuccessPercent",
            input.min_success_percent.unwrap_or(100),
        )?,
        max_failed: count("maxFailed", input.max_failed.unwrap_or(0))?,
        soak_seconds: count("soakSeconds", input.soak_seconds.unwrap_or(0))?,
        silent_after_seconds: count(
            "silentAfterSeconds",
            input.silent_after_seconds.unwrap_or(3600),
        )?,
        lease_seconds: count("leaseSeconds", input.lease_seconds.unwrap_or(900))?,
        require_rollback: input.requires_rollback.unwrap_or(false),
        reboot_in_window: input.reboots_in_window.unwrap_or(false),
    })
}
