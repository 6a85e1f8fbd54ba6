//! `baselineCreate`, `baselineUpdate`, `baselineArchive`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization, tenant_id};
use crate::graphql::model::group::read_selector;
use crate::graphql::model::{Baseline, ClockStart, SelectorTermInput, Severity, Standard};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, InputType, Object};
use netpatch_policy_api as policy;
use netpatch_types::{BaselineId, GroupId, OrganizationId, RequestContext, ServiceError};

/// If all conditions hold, then so many days. Conditions that are absent hold.
#[derive(Clone, InputObject)]
pub struct BaselineRuleInput {
    /// Unique in the baseline.
    name: String,
    /// Any of these severities.
    severities: Option<Vec<Severity>>,
    /// (Not) known to be exploited.
    is_known_exploited: Option<bool>,
    /// (Not) publicly exposed; a host of which nobody knows counts as exposed.
    is_exposed: Option<bool>,
    /// Labels of the host: every term must hold.
    labels: Option<Vec<SelectorTermInput>>,
    /// Calendar days, 0 to 3650; 0: the same day.
    within_days: i32,
    /// From when.
    #[graphql(default_with = "Some(ClockStart::FirstSeen)")]
    clock_start: Option<ClockStart>,
}

/// A new baseline.
#[derive(Clone, InputObject)]
pub struct BaselineCreateInput {
    /// Whose.
    organization_id: ID,
    /// Name, unique among those that are not archived.
    name: String,
    /// By which rules.
    standard: Standard,
    /// On which hosts; absent: all of the organization.
    group_id: Option<ID>,
    /// The organization's own rules, in order; only where the standard takes rules.
    rules: Option<Vec<BaselineRuleInput>>,
    /// Off: it dates nothing.
    #[graphql(default_with = "Some(true)")]
    is_followed: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A changed baseline: everything that it says now.
#[derive(Clone, InputObject)]
pub struct BaselineUpdateInput {
    /// Which.
    id: ID,
    /// The etag that was read.
    if_match: Option<String>,
    /// Name, unique among those that are not archived.
    name: String,
    /// By which rules.
    standard: Standard,
    /// On which hosts; absent: all of the organization.
    group_id: Option<ID>,
    /// The organization's own rules, in order; only where the standard takes rules.
    rules: Option<Vec<BaselineRuleInput>>,
    /// Off: it dates nothing.
    #[graphql(default_with = "Some(true)")]
    is_followed: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// A baseline ends.
#[derive(Clone, InputObject)]
pub struct BaselineArchiveInput {
    /// Which.
    id: ID,
    /// The etag that was read.
    if_match: Option<String>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `baselineCreate`.
    BaselineCreatePayload {
        /// The baseline.
        baseline: Baseline,
    }
}
payload! {
    /// Answer of `baselineUpdate`.
    BaselineUpdatePayload {
        /// The baseline.
        baseline: Baseline,
    }
}
payload! {
    /// Answer of `baselineArchive`.
    BaselineArchivePayload {
        /// The baseline.
        baseline: Baseline,
    }
}

/// Baselines.
#[derive(Default)]
pub struct BaselineMutation;

#[Object]
impl BaselineMutation {
    /// Makes a baseline. Every open finding is dated anew in the background.
    #[graphql(complexity = "10 + child_complexity")]
    async fn baseline_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: BaselineCreateInput,
    ) -> Result<BaselineCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Changes a baseline. Every open finding is dated anew in the background.
    #[graphql(complexity = "10 + child_complexity")]
    async fn baseline_update(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: BaselineUpdateInput,
    ) -> Result<BaselineUpdatePayload> {
        answer(update(ctx, input).await)
    }

    /// Ends a baseline. It dates nothing any more and stays for the record.
    #[graphql(complexity = "10 + child_complexity")]
    async fn baseline_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: BaselineArchiveInput,
    ) -> Result<BaselineArchivePayload> {
        answer(archive(ctx, input).await)
    }
}

/// What both a new and a changed baseline say.
struct Said {
    name: String,
    standard: Standard,
    group_id: Option<ID>,
    rules: Option<Vec<BaselineRuleInput>>,
    is_followed: Option<bool>,
}

impl Said {
    fn spec(self, of: OrganizationId) -> Result<policy::BaselineSpec> {
        let group = self
            .group_id
            .map(|id| same_organization::<GroupId>(&id, of, GroupId::PREFIX, "groupId", "group"))
            .transpose()?;
        Ok(policy::BaselineSpec {
            name: self.name,
            standard: self.standard.into(),
            group,
            rules: self
                .rules
                .unwrap_or_default()
                .into_iter()
                .map(rule)
                .collect::<Result<_>>()?,
            followed: self.is_followed.unwrap_or(true),
        })
    }
}

fn rule(input: BaselineRuleInput) -> Result<policy::BaselineRule> {
    let within_days = u32::try_from(input.within_days)
        .map_err(|_| ServiceError::invalid("withinDays", "days are 0 to 3650"))?;
    Ok(policy::BaselineRule {
        name: input.name,
        severities: input
            .severities
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect(),
        kev: input.is_known_exploited,
        exposed: input.is_exposed,
        labels: read_selector(input.labels.unwrap_or_default())?,
        within_days,
        clock: input.clock_start.map(Into::into).unwrap_or_default(),
    })
}

/// Does the work once, and reads the baseline again when it was done before.
async fn done(
    ctx: &Context<'_>,
    request: &RequestContext,
    (mutation, key): (&str, &ID),
    input: &impl InputType,
    work: impl Future<Output = Result<policy::Baseline>>,
) -> Result<Option<Baseline>> {
    let session = session(ctx)?;
    let made = once(session, request, mutation, key, input, work, |made| {
        vec![made.id.0]
    })
    .await?;
    let baseline = match made {
        Once::Done(baseline) => baseline,
        Once::Before(ids) => {
            let get = policy::BaselineGet { id: first(&ids)? };
            session.apis.policy.baseline_get(request, get).await?
        }
    };
    Ok(Some(Baseline(baseline)))
}

async fn create(ctx: &Context<'_>, input: BaselineCreateInput) -> Result<BaselineCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let said = input.clone();
    let create = policy::BaselineCreate {
        spec: Said {
            name: said.name,
            standard: said.standard,
            group_id: said.group_id,
            rules: said.rules,
            is_followed: said.is_followed,
        }
        .spec(of)?,
    };
    let work = session.apis.policy.baseline_create(&request, create);
    let name = ("baselineCreate", &input.idempotency_key);
    Ok(BaselineCreatePayload {
        baseline: done(ctx, &request, name, &input, work).await?,
        ..Default::default()
    })
}

async fn update(ctx: &Context<'_>, input: BaselineUpdateInput) -> Result<BaselineUpdatePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<BaselineId>(&input.id, BaselineId::PREFIX, "baseline")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("baseline"))?;
    let said = input.clone();
    let change = policy::BaselineUpdate {
        id,
        if_match: said.if_match,
        spec: Said {
            name: said.name,
            standard: said.standard,
            group_id: said.group_id,
            rules: said.rules,
            is_followed: said.is_followed,
        }
        .spec(of)?,
    };
    let work = session.apis.policy.baseline_update(&request, change);
    let name = ("baselineUpdate", &input.idempotency_key);
    Ok(BaselineUpdatePayload {
        baseline: done(ctx, &request, name, &input, work).await?,
        ..Default::default()
    })
}

async fn archive(ctx: &Context<'_>, input: BaselineArchiveInput) -> Result<BaselineArchivePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<BaselineId>(&input.id, BaselineId::PREFIX, "baseline")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("baseline"))?;
    let change = policy::BaselineArchive {
        id,
        if_match: input.if_match.clone(),
    };
    let work = session.apis.policy.baseline_archive(&request, change);
    let name = ("baselineArchive", &input.idempotency_key);
    Ok(BaselineArchivePayload {
        baseline: done(ctx, &request, name, &input, work).await?,
        ..Default::default()
    })
}
