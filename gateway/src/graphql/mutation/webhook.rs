//! `webhookCreate`, `webhookDelete`, `webhookReplay`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, tenant_id};
use crate::graphql::model::{Webhook, WebhookDelivery};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_reporting_api as reporting;
use netpatch_types::{ServiceError, WebhookDeliveryId, WebhookId};

/// A new endpoint.
#[derive(Clone, InputObject)]
pub struct WebhookCreateInput {
    /// Whose.
    organization_id: ID,
    /// HTTPS, to a public address.
    url: String,
    /// Which events; absent: all.
    events: Option<Vec<String>>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Ends an endpoint.
#[derive(Clone, InputObject)]
pub struct WebhookDeleteInput {
    /// Which.
    id: ID,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

/// Sends a delivery again.
#[derive(Clone, InputObject)]
pub struct WebhookReplayInput {
    /// Which delivery.
    id: ID,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `webhookCreate`.
    WebhookCreatePayload {
        /// The endpoint.
        webhook: Webhook,
        /// What deliveries are signed with. Shown once: null when the mutation is repeated.
        secret: String,
    }
}
payload! {
    /// Answer of `webhookDelete`.
    WebhookDeletePayload {
        /// The endpoint that is gone.
        deleted_id: ID,
    }
}
payload! {
    /// Answer of `webhookReplay`.
    WebhookReplayPayload {
        /// The delivery.
        delivery: WebhookDelivery,
    }
}

/// Webhooks.
#[derive(Default)]
pub struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes an endpoint.
    #[graphql(complexity = "10 + child_complexity")]
    async fn webhook_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WebhookCreateInput,
    ) -> Result<WebhookCreatePayload> {
        answer(create(ctx, input).await)
    }

    /// Ends an endpoint.
    #[graphql(complexity = "10 + child_complexity")]
    async fn webhook_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WebhookDeleteInput,
    ) -> Result<WebhookDeletePayload> {
        answer(delete(ctx, input).await)
    }

    /// Sends a delivery again.
    #[graphql(complexity = "10 + child_complexity")]
    async fn webhook_replay(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: WebhookReplayInput,
    ) -> Result<WebhookReplayPayload> {
        answer(replay(ctx, input).await)
    }
}

async fn create(ctx: &Context<'_>, input: WebhookCreateInput) -> Result<WebhookCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let create = reporting::WebhookCreate {
        url: input.url.clone(),
        events: input.events.clone().unwrap_or_default(),
    };
    let work = session.apis.reporting.webhook_create(&request, create);
    let made = once(
        session,
        &request,
        "webhookCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.webhook.id.0],
    )
    .await?;
    let (webhook, secret) = match made {
        Once::Done(created) => (Webhook(created.webhook), Some(created.secret)),
        Once::Before(ids) => {
            let found = crate::graphql::model::webhook::find(session, of, first(&ids)?).await?;
            (
                found.ok_or_else(|| ServiceError::not_found("webhook"))?,
                None,
            )
        }
    };
    Ok(WebhookCreatePayload {
        webhook: Some(webhook),
        secret,
        ..Default::default()
    })
}

async fn delete(ctx: &Context<'_>, input: WebhookDeleteInput) -> Result<WebhookDeletePayload> {
    let session = session(ctx)?;
    let (of, id) = tenant_id::<WebhookId>(&input.id, WebhookId::PREFIX, "webhook")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("webhook"))?;
    let work = session
        .apis
        .reporting
        .webhook_delete(&request, reporting::WebhookGet { id });
    once(
        session,
        &request,
        "webhookDelete",
        &input.idempotency_key,
        &input,
        work,
        |_| vec![id.0],
    )
    .await?;
    Ok(WebhookDeletePayload {
        deleted_id: Some(id.public(of).into()),
        ..Default::default()
    })
}

async fn replay(ctx: &Context<'_>, input: WebhookReplayInput) -> Result<WebhookReplayPayload> {
    let session = session(ctx)?;
    let (of, id) =
        tenant_id::<WebhookDeliveryId>(&input.id, WebhookDeliveryId::PREFIX, "delivery")?;
    let request = session
        .inside(of)
        .map_err(|_| ServiceError::not_found("delivery"))?;
    let work = session
        .apis
        .reporting
        .webhook_replay(&request, reporting::DeliveryReplay { id });
    let made = once(
        session,
        &request,
        "webhookReplay",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let delivery = match made {
        Once::Done(delivery) => WebhookDelivery { of, delivery },
        Once::Before(ids) => {
            let found =
                crate::graphql::model::webhook::find_delivery(session, of, first(&ids)?).await?;
            found.ok_or_else(|| ServiceError::not_found("delivery"))?
        }
    };
    Ok(WebhookReplayPayload {
        delivery: Some(delivery),
        ..Default::default()
    })
}
