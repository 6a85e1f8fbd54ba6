//! Policies.

use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{Result, loaders, session};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use netpatch_policy_api as policy;
use netpatch_types::{OrganizationId, PolicyId, WindowId};

/// Rules that turn a patch in a host group into a decision, and how an approved patch rolls out.
#[derive(Clone)]
pub struct Policy(pub policy::Policy);

/// If all conditions hold, then decide. Empty conditions hold.
#[derive(Clone, SimpleObject)]
pub struct PolicyRule {
    /// Unique in the policy.
    pub name: String,
    /// Any of these kinds.
    pub classifications: Vec<PatchClassification>,
    /// Any of these severities.
    pub severities: Vec<Severity>,
    /// CVSS base score at least.
    pub cvss_at_least: Option<f64>,
    /// EPSS at least, 0–1.
    pub epss_at_least: Option<f64>,
    /// (Not) known to be exploited.
    pub is_known_exploited: Option<bool>,
    /// Globs over source and binary package names.
    pub packages: Vec<String>,
    /// Labels of the offering repository.
    pub origin_labels: Vec<String>,
    /// What then.
    pub decision: PolicyDecision,
    /// How many distinct people, for `REQUIRE_APPROVALS`.
    pub required_approvals: Option<i32>,
    /// Seconds after the patch was first seen, for `DEFER`.
    pub defer_seconds: Option<i32>,
}

/// A decision without its number.
pub(crate) fn decision(decision: policy::Decision) -> PolicyDecision {
    match decision {
        policy::Decision::Approve => PolicyDecision::Approve,
        policy::Decision::RequireApprovals { .. } => PolicyDecision::RequireApprovals,
        policy::Decision::Defer { .. } => PolicyDecision::Defer,
        policy::Decision::Block => PolicyDecision::Block,
    }
}

impl From<&policy::Rule> for PolicyRule {
    fn from(rule: &policy::Rule) -> Self {
        Self {
            name: rule.name.clone(),
            classifications: rule
                .classifications
                .iter()
                .map(|kind| (*kind).into())
                .collect(),
            severities: rule
                .severities
                .iter()
                .map(|severity| (*severity).into())
                .collect(),
            cvss_at_least: rule.cvss_at_least,
            epss_at_least: rule.epss_at_least,
            is_known_exploited: rule.kev,
            packages: rule.packages.clone(),
            origin_labels: rule.origin_labels.clone(),
            decision: decision(rule.then),
            required_approvals: match rule.then {
                policy::Decision::RequireApprovals { count } => Some(int(count)),
                _ => None,
            },
            defer_seconds: match rule.then {
                policy::Decision::Defer { seconds } => Some(int(seconds)),
                _ => None,
            },
        }
    }
}

/// How an approved patch rolls out.
#[derive(Clone, SimpleObject)]
pub struct Rollout {
    /// In order; the last takes what is left.
    pub waves: Vec<WaveSize>,
    /// A wave passes when at least this share of its hosts is confirmed, 0–100.
    pub min_success_percent: i32,
    /// The deployment halts when more runs than this failed in a wave.
    pub max_failed: i32,
    /// Wait so long after a wave before its gate is read.
    pub soak_seconds: i32,
    /// A host that is silent for so long counts as failed.
    pub silent_after_seconds: i32,
    /// How old a freshness statement may be when an install starts.
    pub lease_seconds: i32,
    /// Refuse hosts on which the transaction could not be rolled back.
    pub requires_rollback: bool,
    /// Reboot in the window when the update needs it.
    pub reboots_in_window: bool,
}

/// How many hosts a wave takes: a number or a share.
#[derive(Clone, SimpleObject)]
pub struct WaveSize {
    /// So many hosts.
    pub hosts: Option<i32>,
    /// So many percent of all targets, rounded up.
    pub percent: Option<i32>,
}

/// How many hosts a wave takes: exactly one of the two.
#[derive(Clone, InputObject)]
pub struct WaveSizeInput {
    /// So many hosts.
    pub hosts: Option<i32>,
    /// So many percent of all targets, rounded up.
    pub percent: Option<i32>,
}

impl From<&policy::Rollout> for Rollout {
    fn from(rollout: &policy::Rollout) -> Self {
        let size = |size: &policy::WaveSize| match size {
            policy::WaveSize::Count { hosts } => WaveSize {
                hosts: Some(int(*hosts)),
                percent: None,
            },
            policy::WaveSize::Percent { percent } => WaveSize {
                hosts: None,
                percent: Some(int(*percent)),
            },
        };
        Self {
            waves: rollout.waves.iter().map(size).collect(),
            min_success_percent: int(rollout.min_success_percent),
            max_failed: int(rollout.max_failed),
            soak_seconds: int(rollout.soak_seconds),
            silent_after_seconds: int(rollout.silent_after_seconds),
            lease_seconds: int(rollout.lease_seconds),
            requires_rollback: rollout.require_rollback,
            reboots_in_window: rollout.reboot_in_window,
        }
    }
}

/// Rules that turn a patch in a host group into a decision, and how an approved patch rolls out.
#[Object]
impl Policy {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Changes with each change; `ifMatch` of an update.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Name, unique in the organization.
    async fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// Off: it decides nothing and deploys nothing.
    async fn is_enabled(&self) -> bool {
        self.0.spec.enabled
    }

    /// Whether it creates deployments by itself for what its rules approved.
    async fn is_automatic(&self) -> bool {
        self.0.spec.automatic
    }

    /// Which hosts; null: all of the organization.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<Group>> {
        loaders(ctx)?.group(self.0.tenant, self.0.spec.group).await
    }

    /// In order; the first that matches decides.
    async fn rules(&self) -> Vec<PolicyRule> {
        self.0.spec.rules.iter().map(PolicyRule::from).collect()
    }

    /// How it rolls out.
    async fn rollout(&self) -> Rollout {
        (&self.0.spec.rollout).into()
    }

    /// When; none: never.
    #[graphql(complexity = "2 + 3 * child_complexity")]
    async fn windows(&self, ctx: &Context<'_>) -> Result<Vec<MaintenanceWindow>> {
        windows(session(ctx)?, self.0.tenant, &self.0.spec.windows).await
    }

    /// What will happen next and when, in words.
    #[graphql(complexity = 10)]
    async fn sentence(&self, ctx: &Context<'_>) -> Result<String> {
        let session = session(ctx)?;
        let windows = windows(session, self.0.tenant, &self.0.spec.windows).await?;
        let group = loaders(ctx)?
            .group(self.0.tenant, self.0.spec.group)
            .await?;
        let mut next: Option<(chrono::DateTime<chrono::Utc>, String, bool)> = None;
        for window in &windows {
            let start = window.starts(session, 1).await?.into_iter().next();
            if let Some(start) =
                start.filter(|start| next.as_ref().is_none_or(|(earliest, ..)| start < earliest))
            {
                next = Some((
                    start,
                    window.0.spec.name.clone(),
                    window.0.spec.rule.time_zone.is_none(),
                ));
            }
        }
        Ok(super::policy_sentence(
            &self.0.spec,
            group.map(|group| group.0.name),
            next,
            session.apis.auth.clock().now(),
        ))
    }
}

async fn windows(
    session: &Session,
    organization: OrganizationId,
    ids: &[WindowId],
) -> Result<Vec<MaintenanceWindow>> {
    let ctx = session.inside(organization)?;
    let mut windows = Vec::new();
    for id in ids {
        let window = session
            .apis
            .policy
            .window_get(&ctx, policy::WindowGet { id: *id })
            .await;
        windows.extend(absent(window)?.map(MaintenanceWindow));
    }
    Ok(windows)
}

/// One policy; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: PolicyId,
) -> Result<Option<Policy>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .policy
            .policy_get(&ctx, policy::PolicyGet { id })
            .await,
    )?
    .map(Policy))
}

/// What the policies say of a patch on a host.
#[derive(Clone)]
pub struct PolicyExplanation {
    /// Whose policies.
    pub of: OrganizationId,
    /// What they say.
    pub explanation: policy::Explanation,
}

/// What the policies say of a patch on a host.
#[Object]
impl PolicyExplanation {
    /// One sentence for a person.
    async fn sentence(&self) -> &str {
        &self.explanation.sentence
    }

    /// The policy that decides, if any.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Option<Policy>> {
        match self.explanation.policy {
            Some(policy) => find(session(ctx)?, self.of, policy).await,
            None => Ok(None),
        }
    }

    /// Its rule, if any.
    async fn rule(&self) -> Option<&str> {
        self.explanation.rule.as_deref()
    }

    /// The decision.
    async fn decision(&self) -> PolicyDecision {
        decision(self.explanation.decision)
    }
}

/// A package that is never installed.
#[derive(Clone, SimpleObject)]
pub struct BlockEntry {
    /// Glob over source and binary package names.
    pub package: String,
    /// Why.
    pub reason: String,
}

impl From<policy::BlockEntry> for BlockEntry {
    fn from(entry: policy::BlockEntry) -> Self {
        Self {
            package: entry.package,
            reason: entry.reason,
        }
    }
}
