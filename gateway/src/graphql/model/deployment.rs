//! Deployments and their plans.

use super::*;
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent, organization_id};
use crate::graphql::{ByteCount, Connection, DateTime, Result, asked, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_scheduler_api as scheduler;
use netpatch_types::{DeploymentId, OrganizationId};

/// Approved patches × targets × plan.
#[derive(Clone)]
pub struct Deployment(pub scheduler::Deployment);

/// Approved patches × targets × plan.
#[Object]
impl Deployment {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// For a person.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Where it stands.
    async fn status(&self) -> DeploymentStatus {
        self.0.status.into()
    }

    /// Why it stands so: the gate that failed, the person's reason.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The policy whose rollout, windows and group it follows.
    async fn policy(&self, ctx: &Context<'_>) -> Result<Option<Policy>> {
        super::policy::find(session(ctx)?, self.0.tenant, self.0.policy).await
    }

    /// The approval that a resume waits for.
    async fn approval(&self, ctx: &Context<'_>) -> Result<Option<Approval>> {
        match self.0.approval {
            Some(approval) => super::approval::find(session(ctx)?, self.0.tenant, approval).await,
            None => Ok(None),
        }
    }

    /// What is installed.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn patches(&self, ctx: &Context<'_>) -> Result<Option<Vec<Patch>>> {
        Ok(Some(
            loaders(ctx)?
                .patches(self.0.tenant, &self.0.patches)
                .await?,
        ))
    }

    /// Its waves in order.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn waves(&self, ctx: &Context<'_>) -> Result<Option<Vec<Wave>>> {
        Ok(Some(
            super::wave::listing(session(ctx)?, self.0.tenant, self.0.id).await?,
        ))
    }

    /// Who made it.
    async fn created_by(&self) -> Actor {
        (&self.0.created_by).into()
    }

    /// When.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// When its first wave opened.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.started_at.map(DateTime)
    }

    /// When it came to a final state.
    async fn ended_at(&self) -> Option<DateTime> {
        self.0.ended_at.map(DateTime)
    }

    /// No install starts after this.
    async fn not_after(&self) -> DateTime {
        self.0.not_after.into()
    }

    /// Changes with each change; `ifMatch` of a change.
    async fn etag(&self) -> &str {
        &self.0.etag
    }

    /// Whose it is.
    async fn organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        loaders(ctx)?.organization(self.0.tenant).await
    }

    /// Runs, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Run>>> {
        let list = scheduler::RunList {
            deployment: Some(self.0.id),
            ..Default::default()
        };
        super::run::listing(session(ctx)?, self.0.tenant, first, after, list).await
    }
}

/// One deployment; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: DeploymentId,
) -> Result<Option<Deployment>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .scheduler
            .deployment_get(&ctx, scheduler::DeploymentGet { id })
            .await,
    )?
    .map(Deployment))
}

/// Deployments, newest first.
pub(crate) async fn listing(
    session: &Session,
    first: i32,
    after: Option<String>,
    filter: DeploymentFilter,
) -> Result<Option<Connection<Deployment>>> {
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
    let statuses: Vec<scheduler::DeploymentStatus> = filter
        .status
        .unwrap_or_default()
        .into_iter()
        .map(Into::into)
        .collect();
    let asked = asked("deployments", &(tenant, &statuses), first, after)?;
    let list = scheduler::DeploymentList {
        page: asked.page.clone(),
        tenant,
        statuses,
    };
    let page = session.apis.scheduler.deployment_list(&ctx, list).await?;
    Ok(Some(asked.connection(page, Deployment)))
}

/// What would happen.
#[derive(Clone)]
pub struct DeploymentPlan {
    /// Whose.
    pub of: OrganizationId,
    /// The plan.
    pub plan: scheduler::DeploymentPlan,
}

/// A wave as planned.
#[derive(Clone, SimpleObject)]
pub struct PlannedWave {
    /// From 1.
    pub ordinal: i32,
    /// How many hosts.
    pub host_count: i32,
    /// Their names, at most 20.
    pub hostnames: Vec<String>,
}

/// What would happen.
#[Object]
impl DeploymentPlan {
    /// All target hosts.
    async fn host_count(&self) -> i32 {
        int(self.plan.hosts)
    }

    /// Bytes that each host at most fetches.
    async fn payload_bytes(&self) -> ByteCount {
        self.plan.payload_bytes.into()
    }

    /// The waves in order.
    async fn waves(&self) -> Vec<PlannedWave> {
        let wave = |wave: &scheduler::PlannedWave| PlannedWave {
            ordinal: int(wave.ordinal),
            host_count: int(wave.hosts),
            hostnames: wave.hostnames.clone(),
        };
        self.plan.waves.iter().map(wave).collect()
    }

    /// Patches that may not go; a deployment is created only when there are none.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn missing(&self) -> Vec<MissingApproval> {
        self.plan
            .missing
            .iter()
            .map(|missing| MissingApproval {
                of: self.of,
                missing: missing.clone(),
            })
            .collect()
    }

    /// When the hosts of each site may change.
    #[graphql(complexity = "2 + 5 * child_complexity")]
    async fn windows(&self) -> Vec<SiteWindow> {
        self.plan
            .windows
            .iter()
            .map(|window| SiteWindow {
                of: self.of,
                window: window.clone(),
            })
            .collect()
    }
}

/// A patch that may not go.
#[derive(Clone)]
pub struct MissingApproval {
    of: OrganizationId,
    missing: scheduler::NotDeployable,
}

/// A patch that may not go.
#[Object]
impl MissingApproval {
    /// Which.
    async fn patch(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        loaders(ctx)?.patch(self.of, self.missing.patch).await
    }

    /// The approval that waits, if there is one.
    async fn approval(&self, ctx: &Context<'_>) -> Result<Option<Approval>> {
        match self.missing.approval {
            Some(approval) => super::approval::find(session(ctx)?, self.of, approval).await,
            None => Ok(None),
        }
    }

    /// Why, for a person.
    async fn reason(&self) -> &str {
        &self.missing.reason
    }
}

/// When a site's hosts may change.
#[derive(Clone)]
pub struct SiteWindow {
    of: OrganizationId,
    window: scheduler::SiteWindow,
}

/// When a site's hosts may change.
#[Object]
impl SiteWindow {
    /// Which site.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        loaders(ctx)?.site(self.of, self.window.site).await
    }

    /// Start of the next window, or of the one that is open; null: none in time.
    async fn next_start(&self) -> Option<DateTime> {
        self.window.next_start.map(DateTime)
    }
}
