//! Patch baselines and the standards that they follow.

use super::{ClockStart, Group, SelectorTerm, Severity, Standard};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_policy_api as policy;
use netpatch_types::{BaselineId, OrganizationId};

/// A rule set that baselines can follow.
#[derive(Clone, SimpleObject)]
pub struct StandardInfo {
    /// Which.
    pub standard: Standard,
    /// What people call it.
    pub name: &'static str,
    /// Its title and the part that sets dates.
    pub title: &'static str,
    /// Where it is published; null for the organization's own rules.
    pub source_url: Option<&'static str>,
    /// Whether the organization writes the rules, or those that the standard leaves to it.
    pub takes_rules: bool,
    /// Since when it holds no more.
    pub revoked_on: Option<String>,
    /// What took its place.
    pub revoked_by: Option<Standard>,
}

impl From<policy::Standard> for StandardInfo {
    fn from(standard: policy::Standard) -> Self {
        let publication = standard.publication();
        Self {
            standard: standard.into(),
            name: publication.name,
            title: publication.title,
            source_url: Some(publication.url).filter(|url| !url.is_empty()),
            takes_rules: standard.takes_rules(),
            revoked_on: publication.revoked.map(|revoked| revoked.on.to_string()),
            revoked_by: publication.revoked.map(|revoked| revoked.by.into()),
        }
    }
}

/// If all conditions hold, then so many days. Empty conditions hold.
#[derive(Clone, SimpleObject)]
pub struct BaselineRule {
    /// Unique in the baseline.
    pub name: String,
    /// Any of these severities.
    pub severities: Vec<Severity>,
    /// (Not) known to be exploited.
    pub is_known_exploited: Option<bool>,
    /// (Not) publicly exposed; a host of which nobody knows counts as exposed.
    pub is_exposed: Option<bool>,
    /// Labels of the host: every term must hold.
    pub labels: Vec<SelectorTerm>,
    /// Calendar days; 0: the same day.
    pub within_days: i32,
    /// From when.
    pub clock_start: ClockStart,
}

impl From<&policy::BaselineRule> for BaselineRule {
    fn from(rule: &policy::BaselineRule) -> Self {
        Self {
            name: rule.name.clone(),
            severities: rule
                .severities
                .iter()
                .map(|severity| (*severity).into())
                .collect(),
            is_known_exploited: rule.kev,
            is_exposed: rule.exposed,
            labels: super::group::terms(&rule.labels),
            within_days: int(rule.within_days),
            clock_start: rule.clock.into(),
        }
    }
}

/// Whose dates an organization follows, or its own.
#[derive(Clone)]
pub struct Baseline(pub policy::Baseline);

/// Whose dates an organization follows, or its own.
#[Object]
impl Baseline {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Changes with each change; `ifMatch` of an update.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Name, unique among those that are not archived.
    async fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// By which rules.
    async fn standard(&self) -> StandardInfo {
        self.0.spec.standard.into()
    }

    /// On which hosts; null: all of the organization.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<Group>> {
        loaders(ctx)?.group(self.0.tenant, self.0.spec.group).await
    }

    /// The organization's own rules, in order; the first that holds decides.
    async fn rules(&self) -> Vec<BaselineRule> {
        self.0.spec.rules.iter().map(BaselineRule::from).collect()
    }

    /// Whether it dates findings now.
    async fn is_followed(&self) -> bool {
        self.0.spec.followed && self.0.archived_at.is_none()
    }

    /// When it ended; null while it can be followed.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.archived_at.map(DateTime)
    }
}

/// One baseline; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: BaselineId,
) -> Result<Option<Baseline>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let get = policy::BaselineGet { id };
    Ok(absent(session.apis.policy.baseline_get(&ctx, get).await)?.map(Baseline))
}
