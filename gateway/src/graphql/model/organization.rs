//! Organizations and delegations.

use super::*;
use crate::graphql::context::{Session, absent, readable};
use crate::graphql::{Connection, DateTime, Result, Sequence, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api as inventory;
use netpatch_policy_api as policy;
use netpatch_reporting_api as reporting;
use netpatch_types::{DelegationId, DeploymentId, OrganizationId, RequestContext};

/// An organization: a partner (an MSP) or a customer. The unit of isolation.
#[derive(Clone)]
pub struct Organization(pub netpatch_auth::Organization);

impl Organization {
    /// Place in a list by name.
    pub(crate) fn order(&self) -> String {
        format!("{}\u{0}{}", self.0.name.to_lowercase(), self.0.id)
    }

    fn inside(&self, ctx: &Context<'_>) -> Result<RequestContext> {
        session(ctx)?.inside(self.0.id)
    }
}

/// Every organization that the caller may read.
pub(crate) async fn all(session: &Session) -> Result<Vec<Organization>> {
    let mut read = Vec::new();
    for access in &session.principal()?.access {
        if access
            .permissions
            .contains(&netpatch_types::Permission::Read)
        {
            read.push(access.organization);
        }
    }
    let Some(first) = read.first() else {
        return Ok(Vec::new());
    };
    let ctx = RequestContext {
        read: read.clone(),
        ..session.inside(*first)?
    };
    Ok(session
        .apis
        .auth
        .organization_list(&ctx)
        .await?
        .into_iter()
        .map(Organization)
        .collect())
}

/// One organization; absent without access.
pub(crate) async fn find(session: &Session, id: OrganizationId) -> Result<Option<Organization>> {
    let Some(ctx) = absent(session.inside(id))? else {
        return Ok(None);
    };
    Ok(absent(
        session
            .apis
            .auth
            .organization_get(&readable(ctx)?, id)
            .await,
    )?
    .map(Organization))
}

/// An organization: a partner (an MSP) or a customer. The unit of isolation.
#[Object]
impl Organization {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.id).into()
    }

    /// Partner or customer.
    async fn kind(&self) -> OrganizationKind {
        self.0.kind.into()
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Name for URLs.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Sites by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn sites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Site>>> {
        let asked = asked("sites", &self.0.id, first, after)?;
        let sites = session(ctx)?
            .apis
            .auth
            .site_list(&readable(self.inside(ctx)?)?)
            .await?;
        Ok(Some(
            asked.slice(sites.into_iter().map(Site).collect(), |site| {
                format!("{}\u{0}{}", site.0.name.to_lowercase(), site.0.id)
            }),
        ))
    }

    /// Relays by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn relays(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Relay>>> {
        let asked = asked("relays", &self.0.id, first, after)?;
        let relays = session(ctx)?
            .apis
            .auth
            .relay_list(&readable(self.inside(ctx)?)?)
            .await?;
        Ok(Some(
            asked.slice(relays.into_iter().map(Relay).collect(), |relay| {
                format!("{}\u{0}{}", relay.0.name.to_lowercase(), relay.0.id)
            }),
        ))
    }

    /// Hosts by name.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn hosts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<HostFilter>,
    ) -> Result<Option<Connection<Host>>> {
        let filter = HostFilter {
            organization_id: Some(self.0.id.public(self.0.id).into()),
            ..filter.unwrap_or_default()
        };
        super::host::listing(session(ctx)?, first, after, filter).await
    }

    /// Groups by name.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn groups(&self, ctx: &Context<'_>) -> Result<Option<Vec<Group>>> {
        let groups = session(ctx)?
            .apis
            .inventory
            .group_list(&self.inside(ctx)?, inventory::GroupList {})
            .await?;
        Ok(Some(groups.into_iter().map(Group).collect()))
    }

    /// People who sign in here, by name; for administrators.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn members(&self, ctx: &Context<'_>) -> Result<Option<Vec<Member>>> {
        Ok(Some(
            super::member::listing(ctx, &readable(self.inside(ctx)?)?).await?,
        ))
    }

    /// What lets partners act here, newest first.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn delegations(&self, ctx: &Context<'_>) -> Result<Option<Vec<Delegation>>> {
        let delegations = session(ctx)?
            .apis
            .auth
            .delegation_list(&readable(self.inside(ctx)?)?)
            .await?;
        Ok(Some(delegations.into_iter().map(Delegation).collect()))
    }

    /// The newest compliance snapshot at or before a time; without a time, or when there is none, as of now.
    #[graphql(complexity = "5 + child_complexity")]
    async fn compliance(
        &self,
        ctx: &Context<'_>,
        as_of: Option<DateTime>,
    ) -> Result<Option<ComplianceSnapshot>> {
        let get = reporting::ComplianceGet {
            tenant: self.0.id,
            as_of: as_of.map(|as_of| as_of.0),
        };
        let snapshot = session(ctx)?
            .apis
            .reporting
            .compliance_get(&self.inside(ctx)?, get)
            .await?;
        Ok(Some(ComplianceSnapshot(snapshot)))
    }

    /// Compliance snapshots, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn compliance_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        deployment_id: Option<ID>,
    ) -> Result<Option<Connection<ComplianceSnapshot>>> {
        let deployment = match &deployment_id {
            Some(id) => Some(crate::graphql::context::same_organization::<DeploymentId>(
                id,
                self.0.id,
                DeploymentId::PREFIX,
                "deploymentId",
                "deployment",
            )?),
            None => None,
        };
        let asked = asked("complianceHistory", &(self.0.id, deployment), first, after)?;
        let history = reporting::ComplianceHistory {
            tenant: self.0.id,
            deployment,
            page: asked.page.clone(),
        };
        let page = session(ctx)?
            .apis
            .reporting
            .compliance_history(&self.inside(ctx)?, history)
            .await?;
        Ok(Some(asked.connection(page, ComplianceSnapshot)))
    }

    /// Entries of the ledger, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn ledger(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<LedgerFilter>,
    ) -> Result<Option<Connection<LedgerEntry>>> {
        let filter = filter.unwrap_or_default();
        let (actions, subject) = (filter.action.unwrap_or_default(), filter.subject);
        let asked = asked("ledger", &(self.0.id, &actions, &subject), first, after)?;
        let request = reporting::LedgerList {
            page: asked.page.clone(),
            tenant: Some(self.0.id),
            actions,
            subject,
        };
        let page = session(ctx)?
            .apis
            .reporting
            .ledger_list(&self.inside(ctx)?, request)
            .await?;
        Ok(Some(asked.connection(page, LedgerEntry)))
    }

    /// The newest signed head of the ledger; null while it is empty.
    async fn ledger_checkpoint(&self, ctx: &Context<'_>) -> Result<Option<Checkpoint>> {
        let get = reporting::CheckpointGet { tenant: self.0.id };
        let checkpoint = absent(
            session(ctx)?
                .apis
                .reporting
                .ledger_checkpoint(&self.inside(ctx)?, get)
                .await,
        )?;
        Ok(checkpoint.map(Checkpoint::from))
    }

    /// Proof that the ledger only grew between two sizes; `to` absent means the newest checkpoint.
    async fn ledger_consistency(
        &self,
        ctx: &Context<'_>,
        from: Sequence,
        to: Option<Sequence>,
    ) -> Result<Option<ConsistencyProof>> {
        let get = reporting::ConsistencyGet {
            tenant: self.0.id,
            from: from.0,
            to: to.map(|to| to.0),
        };
        let proof = session(ctx)?
            .apis
            .reporting
            .ledger_consistency(&self.inside(ctx)?, get)
            .await?;
        Ok(Some(proof.into()))
    }

    /// Webhook endpoints.
    #[graphql(complexity = "2 + 10 * child_complexity")]
    async fn webhooks(&self, ctx: &Context<'_>) -> Result<Option<Vec<Webhook>>> {
        let listed = session(ctx)?
            .apis
            .reporting
            .webhook_list(&self.inside(ctx)?, reporting::WebhookList {})
            .await?;
        Ok(Some(listed.into_iter().map(Webhook).collect()))
    }

    /// Enrolment tokens without their secrets, newest first.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn enrolment_tokens(&self, ctx: &Context<'_>) -> Result<Option<Vec<EnrolmentToken>>> {
        let listed = session(ctx)?
            .apis
            .auth
            .enrolment_token_list(&self.inside(ctx)?)
            .await?;
        Ok(Some(listed.into_iter().map(EnrolmentToken).collect()))
    }

    /// Reports, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn reports(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<Report>>> {
        let asked = asked("reports", &self.0.id, first, after)?;
        let request = reporting::ReportList {
            page: asked.page.clone(),
        };
        let page = session(ctx)?
            .apis
            .reporting
            .report_list(&self.inside(ctx)?, request)
            .await?;
        Ok(Some(asked.connection(page, Report)))
    }

    /// Packages that are never installed.
    #[graphql(complexity = "2 + 20 * child_complexity")]
    async fn block_list(&self, ctx: &Context<'_>) -> Result<Option<Vec<BlockEntry>>> {
        let listed = session(ctx)?
            .apis
            .policy
            .block_list(&self.inside(ctx)?, policy::BlockList {})
            .await?;
        Ok(Some(listed.into_iter().map(BlockEntry::from).collect()))
    }
}

/// What lets a partner act in a customer's organization.
#[derive(Clone)]
pub struct Delegation(pub netpatch_auth::Delegation);

/// What lets a partner act in a customer's organization.
#[Object]
impl Delegation {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.customer).into()
    }

    /// Who acts: by name; what is inside stays closed to the customer.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        let session = session(ctx)?;
        if let Some(partner) = find(session, self.0.partner).await? {
            return Ok(Some(partner));
        }
        // Who may read the delegation has to know whom it lets in.
        session.inside(self.0.customer)?;
        let now = session.apis.auth.clock().now();
        let system = RequestContext::system(self.0.partner, "delegation", now);
        let partner = session
            .apis
            .auth
            .organization_get(&system, self.0.partner)
            .await;
        Ok(absent(partner)?.map(Organization))
    }

    /// Where.
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        find(session(ctx)?, self.0.customer).await
    }

    /// As what.
    async fn roles(&self) -> Vec<Role> {
        self.0.roles.iter().map(|role| (*role).into()).collect()
    }

    /// Until when.
    async fn expires_at(&self) -> DateTime {
        self.0.expires_at.into()
    }

    /// How it stands.
    async fn status(&self) -> DelegationStatus {
        self.0.status.into()
    }
}

/// One delegation, at its customer.
pub(crate) async fn find_delegation(
    session: &Session,
    customer: OrganizationId,
    id: DelegationId,
) -> Result<Option<Delegation>> {
    let Some(ctx) = absent(session.inside(customer))? else {
        return Ok(None);
    };
    let listed = session.apis.auth.delegation_list(&readable(ctx)?).await?;
    Ok(listed
        .into_iter()
        .find(|delegation| delegation.id == id)
        .map(Delegation))
}
