//! Webhook endpoints and deliveries.

use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{Connection, DateTime, Result, asked, session};
use async_graphql::{Context, ID, Object};
use netpatch_reporting_api as reporting;
use netpatch_types::{OrganizationId, PageRequest, WebhookDeliveryId, WebhookId};

/// An endpoint that is told of events (Standard Webhooks).
#[derive(Clone)]
pub struct Webhook(pub reporting::Webhook);

/// An endpoint that is told of events (Standard Webhooks).
#[Object]
impl Webhook {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.tenant).into()
    }

    /// Where to.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Which events; empty: all.
    async fn events(&self) -> &[String] {
        &self.0.events
    }

    /// Why it is off; null: it is on.
    async fn disabled_reason(&self) -> Option<&str> {
        Some(self.0.disabled_reason.as_str()).filter(|reason| !reason.is_empty())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// Deliveries, newest first.
    #[graphql(complexity = "2 + first.clamp(1, 100) as usize * child_complexity")]
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.")] first: i32,
        #[graphql(desc = "The cursor behind which to begin.")] after: Option<String>,
    ) -> Result<Option<Connection<WebhookDelivery>>> {
        let session = session(ctx)?;
        let asked = asked("deliveries", &self.0.id, first, after)?;
        let list = reporting::DeliveryList {
            webhook: self.0.id,
            page: asked.page.clone(),
        };
        let page = session
            .apis
            .reporting
            .webhook_deliveries(&session.inside(self.0.tenant)?, list)
            .await?;
        let of = self.0.tenant;
        Ok(Some(asked.connection(page, |delivery| WebhookDelivery {
            of,
            delivery,
        })))
    }
}

/// A message to an endpoint.
#[derive(Clone)]
pub struct WebhookDelivery {
    /// Whose.
    pub of: OrganizationId,
    /// The delivery.
    pub delivery: reporting::Delivery,
}

/// A message to an endpoint.
#[Object]
impl WebhookDelivery {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.delivery.id.public(self.of).into()
    }

    /// Which event.
    async fn event(&self) -> &str {
        &self.delivery.event
    }

    /// The body.
    async fn body(&self) -> &str {
        &self.delivery.body
    }

    /// Tries so far.
    async fn attempts(&self) -> i32 {
        int(self.delivery.attempts)
    }

    /// HTTP status of the last try.
    async fn last_status(&self) -> Option<i32> {
        self.delivery.last_status.map(i32::from)
    }

    /// Why the last try failed.
    async fn last_error(&self) -> Option<&str> {
        Some(self.delivery.last_error.as_str()).filter(|error| !error.is_empty())
    }

    /// When it arrived.
    async fn delivered_at(&self) -> Option<DateTime> {
        self.delivery.delivered_at.map(DateTime)
    }

    /// When it is tried next.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        self.delivery.next_attempt_at.map(DateTime)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.delivery.created_at.into()
    }
}

/// One endpoint; absent without access.
pub(crate) async fn find(
    session: &Session,
    organization: OrganizationId,
    id: WebhookId,
) -> Result<Option<Webhook>> {
    let Some(ctx) = absent(session.inside(organization))? else {
        return Ok(None);
    };
    let list = session
        .apis
        .reporting
        .webhook_list(&ctx, reporting::WebhookList {})
        .await?;
    Ok(list
        .into_iter()
        .find(|webhook| webhook.id == id)
        .map(Webhook))
}

/// One of the newest hundred deliveries of an endpoint; absent without access.
pub(crate) async fn find_delivery(
    session: &Session,
    of: OrganizationId,
    id: WebhookDeliveryId,
) -> Result<Option<WebhookDelivery>> {
    let Some(ctx) = absent(session.inside(of))? else {
        return Ok(None);
    };
    for webhook in session
        .apis
        .reporting
        .webhook_list(&ctx, reporting::WebhookList {})
        .await?
    {
        let list = reporting::DeliveryList {
            webhook: webhook.id,
            page: PageRequest::largest(),
        };
        let page = session
            .apis
            .reporting
            .webhook_deliveries(&ctx, list)
            .await?;
        if let Some(delivery) = page
            .into_nodes()
            .into_iter()
            .find(|delivery| delivery.id == id)
        {
            return Ok(Some(WebhookDelivery { of, delivery }));
        }
    }
    Ok(None)
}
