//! Findings and the remediation queue.

use crate::graphql::context::{absent, organization_id};
use crate::graphql::model::finding::due_within;
use crate::graphql::model::host::sites;
use crate::graphql::model::{
    Finding, FindingFilter, FindingGroup, FindingGrouping, FindingOrder, QueueFilter, QueueItem,
    SeverityFilter,
};
use crate::graphql::{Connection, Result, asked, session};
use async_graphql::{Context, Object};
use netpatch_inventory_api as inventory;

/// Findings and the remediation queue.
#[derive(Default)]
pub struct FindingQuery;

#[Object]
impl FindingQuery {
    /// Findings of every organization in reach, worst first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn findings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<FindingFilter>,
        #[graphql(desc = "In which order; by risk if not given.")] order_by: Option<FindingOrder>,
    ) -> Result<Option<Connection<Finding>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::finding::listing(
            session,
            first,
            after,
            filter.unwrap_or_default(),
            FindingOrder::read(order_by),
        )
        .await
    }

    /// Findings counted by advisory, patch or host, the group with the highest risk first.
    #[graphql(complexity = "10 + first.clamp(1, 100) as usize * child_complexity")]
    async fn finding_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what they are counted together.")] by: FindingGrouping,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which findings.")] filter: Option<FindingFilter>,
    ) -> Result<Option<Connection<FindingGroup>>> {
        let session = session(ctx)?;
        session.principal()?;
        crate::graphql::model::finding_group::groups(
            session,
            by,
            first,
            after,
            filter.unwrap_or_default(),
        )
        .await
    }

    /// What to do first: one item a patch and organization, highest risk first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<QueueFilter>,
        #[graphql(desc = "In which order; by risk if not given.")] order_by: Option<FindingOrder>,
    ) -> Result<Option<Connection<QueueItem>>> {
        let session = session(ctx)?;
        session.principal()?;
        let filter = filter.unwrap_or_default();
        let Some(tenant) = absent(
            filter
                .organization_id
                .as_ref()
                .map(organization_id)
                .transpose(),
        )?
        else {
            return Ok(None);
        };
        let Some(request) = absent(session.within(tenant))? else {
            return Ok(None);
        };
        let (sites, severities) = (
            sites(filter.site),
            SeverityFilter::severities(filter.severity),
        );
        let mut list = inventory::QueueList {
            tenant,
            sites,
            severities,
            overdue: filter.is_overdue,
            due_within_days: due_within(filter.due_within_days)?,
            order: FindingOrder::read(order_by),
            ..inventory::QueueList::default()
        };
        let asked = asked("queue", &list, first, after)?;
        list.page = asked.page.clone();
        let page = session.apis.inventory.queue_list(&request, list).await?;
        Ok(Some(asked.connection(page, QueueItem)))
    }
}
