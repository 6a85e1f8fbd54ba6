//! Webhook endpoints, deliveries, one try of a delivery.

use super::ReportingService;
use crate::domain::notice::Notice;
use crate::domain::retry::{GIVE_UP_AFTER, next_attempt};
use crate::sealing;
use crate::store::webhook as store;
use crate::store::webhook::{Secret, Tried};
use crate::webhook_client::{Answer, checked_url};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use netpatch_reporting_api::{
    Delivery, DeliveryList, Done, WEBHOOK_EVENTS, Webhook, WebhookCreate, WebhookCreated,
};
use netpatch_storage::TenantTx;
use netpatch_types::{
    Page, RequestContext, ServiceError, ServiceResult, TenantId, WebhookDeliveryId, WebhookId,
};
use uuid::Uuid;

/// Endpoints of one organization.
const MAX_ENDPOINTS: usize = 50;
/// The answer by which an endpoint says that it wants no more (Standard Webhooks).
const GONE: u16 = 410;

impl ReportingService {
    pub(super) async fn create_webhook(
        &self,
        ctx: &RequestContext,
        request: WebhookCreate,
    ) -> ServiceResult<WebhookCreated> {
        let tenant = ctx.tenant()?;
        checked_url(&request.url, self.settings.allow_private_webhooks)
            .map_err(|message| ServiceError::invalid("url", message))?;
        if let Some(unknown) = request
            .events
            .iter()
            .find(|event| !WEBHOOK_EVENTS.contains(&event.as_str()))
        {
            let known = WEBHOOK_EVENTS.join(", ");
            return Err(ServiceError::invalid(
                "events",
                format!("{unknown:?} is no event; there are {known}"),
            ));
        }
        let now = self.clock.now();
        let webhook = Webhook {
            id: WebhookId::new(now),
            tenant,
            url: request.url,
            events: request.events,
            disabled_reason: String::new(),
            created_at: now,
        };
        let secret = format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()));
        let tx = self.database.write(ctx).await?;
        if store::list(&tx)
            .await?
            .iter()
            .filter(|known| known.tenant == tenant)
            .count()
            >= MAX_ENDPOINTS
        {
            let message = format!("an organization has at most {MAX_ENDPOINTS} webhooks");
            return Err(ServiceError::new(
                netpatch_types::ErrorCode::LimitExceeded,
                message,
            ));
        }
        let key = sealing::current(&self.keys)?;
        let sealed = sealing::seal(&self.keys, key, (tenant, webhook.id), &secret)?;
        store::insert(&tx, &webhook, &sealed).await?;
        tx.commit().await?;
        Ok(WebhookCreated { webhook, secret })
    }

    pub(super) async fn list_webhooks(&self, ctx: &RequestContext) -> ServiceResult<Vec<Webhook>> {
        let tx = self.database.read(ctx).await?;
        Ok(store::list(&tx).await?)
    }

    pub(super) async fn delete_webhook(
        &self,
        ctx: &RequestContext,
        id: WebhookId,
    ) -> ServiceResult<Done> {
        let tx = self.database.write(ctx).await?;
        if !store::delete(&tx, id).await? {
            return Err(ServiceError::not_found("webhook"));
        }
        tx.commit().await?;
        Ok(Done {})
    }

    pub(super) async fn deliveries(
        &self,
        ctx: &RequestContext,
        request: DeliveryList,
    ) -> ServiceResult<Page<Delivery>> {
        let tx = self.database.read(ctx).await?;
        store::get(&tx, request.webhook)
            .await?
            .ok_or_else(|| ServiceError::not_found("webhook"))?;
        Ok(store::deliveries(&tx, &request).await?)
    }

    pub(super) async fn replay(
        &self,
        ctx: &RequestContext,
        id: WebhookDeliveryId,
    ) -> ServiceResult<Delivery> {
        let tx = self.database.write(ctx).await?;
        let known = store::delivery(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("delivery"))?;
        let webhook = store::get(&tx, known.webhook)
            .await?
            .ok_or_else(|| ServiceError::not_found("webhook"))?;
        if Some(webhook.tenant) != ctx.write {
            return Err(ServiceError::not_found("delivery"));
        }
        if !webhook.disabled_reason.is_empty() {
            return Err(ServiceError::invalid_state(format!(
                "the webhook is off: {}",
                webhook.disabled_reason
            )));
        }
        let now = self.clock.now();
        store::replay(&tx, id, now, now + GIVE_UP_AFTER).await?;
        let delivery = store::delivery(&tx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("delivery"))?;
        tx.commit().await?;
        self.hint_work().await;
        Ok(delivery)
    }

    /// Makes the deliveries of an event, in the transaction that handles it.
    pub(crate) async fn notify(
        &self,
        tx: &TenantTx,
        event_id: Uuid,
        at: DateTime<Utc>,
        notice: &Notice,
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        store::enqueue(
            tx,
            event_id,
            notice.event,
            &notice.body(at),
            now,
            now + GIVE_UP_AFTER,
        )
        .await?;
        Ok(())
    }

    /// Takes the due deliveries and tries each once; how many.
    pub(crate) async fn deliver_due(&self) -> ServiceResult<usize> {
        let now = self.clock.now();
        let tx = self.database.worker_tx().await?;
        let due = store::claim(&tx, now, now + crate::webhook_client::LEASE).await?;
        tx.commit().await?;
        let tries = due.iter().map(|(tenant, id)| async move {
            if let Err(error) = self.try_delivery(*tenant, *id).await {
                tracing::warn!(delivery = %id, %error, "a delivery is tried again later");
            }
        });
        futures::future::join_all(tries).await;
        Ok(due.len())
    }

    fn opened(&self, row: (TenantId, WebhookId), secret: Secret) -> ServiceResult<String> {
        match secret {
            Secret::Open(secret) => Ok(secret),
            Secret::Sealed(sealed) => Ok(sealing::open(&self.keys, row, &sealed)?),
        }
    }

    /// Seals what is in the open, and anew what an older key seals. Each goes on when another fails.
    pub(crate) async fn reseal_due(&self) -> ServiceResult<()> {
        let key = sealing::current(&self.keys)?;
        let tx = self.database.worker_tx().await?;
        let stale = store::stale(&tx, key).await?;
        tx.rollback().await?;
        let mut outcome = Ok(());
        for (tenant, id) in stale {
            if let Err(error) = self.reseal(tenant, id, key).await {
                tracing::warn!(webhook = %id, %error, "a webhook's secret is not sealed anew");
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn reseal(&self, tenant: TenantId, id: WebhookId, key: u32) -> ServiceResult<()> {
        let tx = self.database.write(&self.system(tenant)).await?;
        let Some(secret) = store::lock_secret(&tx, id).await? else {
            return Ok(());
        };
        let secret = self.opened((tenant, id), secret)?;
        let sealed = sealing::seal(&self.keys, key, (tenant, id), &secret)?;
        store::set_sealed(&tx, id, &sealed).await?;
        Ok(tx.commit().await?)
    }

    async fn try_delivery(&self, tenant: TenantId, id: WebhookDeliveryId) -> ServiceResult<()> {
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let outgoing = store::outgoing(&tx, id).await?;
        tx.rollback().await?;
        let Some(outgoing) = outgoing else {
            return Ok(());
        };
        let secret = self.opened((tenant, outgoing.webhook_id.into()), outgoing.secret())?;
        let answer = self
            .webhooks
            .send(
                &outgoing.url,
                &secret,
                &id.to_string(),
                self.clock.now(),
                &outgoing.body,
            )
            .await;

        let now = self.clock.now();
        let attempts = u32::try_from(outgoing.attempts)
            .unwrap_or(0)
            .saturating_add(1);
        let (status, error) = match &answer {
            Answer::Status(status) if (200..300).contains(status) => (Some(*status), String::new()),
            Answer::Status(status) => (Some(*status), format!("the endpoint answered {status}")),
            Answer::Failed(reason) => (None, reason.clone()),
        };
        let delivered = error.is_empty();
        let tried = Tried {
            attempts,
            status,
            error: &error,
            delivered_at: delivered.then_some(now),
            next_attempt_at: if delivered {
                None
            } else {
                next_attempt(attempts, now, outgoing.give_up_at)
            },
        };
        let tx = self.database.write(&ctx).await?;
        store::tried(&tx, id, &tried).await?;
        if status == Some(GONE) {
            store::disable(
                &tx,
                outgoing.webhook_id.into(),
                "the endpoint answered 410 Gone",
            )
            .await?;
        }
        tx.commit().await?;
        let outcome = if delivered { "delivered" } else { "failed" };
        metrics::counter!("webhook_attempts_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}
