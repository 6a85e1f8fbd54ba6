//! Approvals.

use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent, catalog_id, organization_id};
use crate::graphql::{Connection, DateTime, Result, Sha256, asked, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_policy_api as policy;
use netpatch_types::{ApprovalId, OrganizationId, PatchId};
use uuid::Uuid;

/// Who decided what, over which exact content.
#[derive(Clone)]
pub struct Approval(pub policy::Approval);

/// One person's decision.
#[derive(Clone, SimpleObject)]
pub struct ApprovalDecision {
    /// Who.
    pub by: Actor,
    /// What.
    pub verdict: ApprovalVerdict,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime,
}

/// Who decided what, over which exact content.
#[Object]
impl Approval {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Summary for a person.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// A patch, or a deployment that was halted; null for an exception.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Option<Node>> {
        match self.0.subject {
            policy::Subject::Patch { patch, .. } => Ok(loaders(ctx)?
                .patch(self.0.tenant, patch)
                .await?
                .map(Node::from)),
            policy::Subject::Exception { .. } => Ok(None),
            policy::Subject::Deployment { deployment } => {
                Ok(
                    super::deployment::find(session(ctx)?, self.0.tenant, deployment)
                        .await?
                        .map(Node::from),
                )
            }
        }
    }

    /// Where it stands.
    async fn status(&self) -> ApprovalStatus {
        self.0.status.into()
    }

    /// Whether a rule decided, without a person.
    async fn is_automatic(&self) -> bool {
        self.0.automatic
    }

    /// The policy that asked or decided.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Option<Policy>> {
        match self.0.policy {
            Some(policy) => super::policy::find(session(ctx)?, self.0.tenant, policy).await,
            None => Ok(None),
        }
    }

    /// Its rule.
    async fn rule(&self) -> Option<&str> {
        self.0.rule.as_deref()
    }

    /// Who asked; may not decide.
    async fn requested_by(&self) -> Actor {
        (&self.0.requested_by).into()
    }

    /// When.
    async fn requested_at(&self) -> DateTime {
        self.0.requested_at.into()
    }

    /// How many distinct people must approve.
    async fn required(&self) -> i32 {
        int(self.0.required)
    }

    /// Who decided what, in order.
    async fn decisions(&self) -> Vec<ApprovalDecision> {
        let decision = |decision: &policy::DecisionRecord| ApprovalDecision {
            by: (&decision.by).into(),
            verdict: decision.verdict.into(),
            reason: decision.reason.clone(),
            at: decision.at.into(),
        };
        self.0.decisions.iter().map(decision).collect()
    }

    /// Digest of the content list that it covers.
    async fn content_digest(&self) -> Option<Sha256> {
        self.0.content_digest.map(Sha256)
    }

    /// When it ends.
    async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires_at.map(DateTime)
    }

    /// Whether it stands in the ledger: only then it can be used.
    async fn is_logged(&self) -> bool {
        self.0.logged
    }

    /// For which hosts; null: all of the organization.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<Group>> {
        match self.0.subject {
            policy::Subject::Patch { group, .. } => loaders(ctx)?.group(self.0.tenant, group).await,
            policy::Subject::Deployment { .. } | policy::Subject::Exception { .. } => Ok(None),
        }
    }

    /// The exception that it is about; null when it is about something else.
    async fn exception(&self, ctx: &Context<'_>) -> Result<Option<Exception>> {
        match self.0.subject {
            policy::Subject::Exception { exception } => {
                super::exception::find(session(ctx)?, self.0.tenant, exception).await
            }
            policy::Subject::Patch { .. } | policy::Subject::Deployment { .. } => Ok(None),
        }
    }

    /// Whose it is.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.tenant).await
    }
}

/// One approval; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: ApprovalId,
) -> Result<Option<Approval>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .policy
            .approval_get(&ctx, policy::ApprovalGet { id })
            .await,
    )?
    .map(Approval))
}

/// Approvals, those that wait first.
pub(crate) async fn listing(
    session: &Session,
    first: i32,
    after: Option<String>,
    filter: ApprovalFilter,
) -> Result<Option<Connection<Approval>>> {
    let organization = filter
        .organization_id
        .as_ref()
        .map(organization_id)
        .transpose();
    let Some(tenant) = absent(organization)? else {
        return Ok(None);
    };
    let Some(ctx) = absent(session.within(tenant))? else {
        return Ok(None);
    };
    let statuses: Vec<policy::ApprovalStatus> = filter
        .status
        .unwrap_or_default()
        .into_iter()
        .map(Into::into)
        .collect();
    let patch = |id: ID| catalog_id(&id, PatchId::PREFIX, "patch").unwrap_or(PatchId(Uuid::nil()));
    let patches: Vec<PatchId> = filter
        .patch_ids
        .unwrap_or_default()
        .into_iter()
        .map(patch)
        .collect();
    let asked = asked("approvals", &(tenant, &statuses, &patches), first, after)?;
    let list = policy::ApprovalList {
        page: asked.page.clone(),
        tenant,
        statuses,
        patches,
    };
    let page = session.apis.policy.approval_list(&ctx, list).await?;
    Ok(Some(asked.connection(page, Approval)))
}
