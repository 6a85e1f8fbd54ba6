//! Webhook endpoints and deliveries.

use super::{column, from_json, to_json};
use crate::sealing::Sealed;
use chrono::{DateTime, Utc};
use netpatch_reporting_api::{Delivery, DeliveryList, Webhook};
use netpatch_storage::{StorageError, StorageResult, TenantTx, WorkerTx};
use netpatch_types::{Page, TenantId, WebhookDeliveryId, WebhookId};
use sea_orm::FromQueryResult;
use uuid::Uuid;

#[derive(FromQueryResult)]
struct WebhookRow {
    tenant_id: Uuid,
    id: Uuid,
    url: String,
    events: serde_json::Value,
    disabled_reason: String,
    created_at: DateTime<Utc>,
}

impl WebhookRow {
    fn webhook(self) -> StorageResult<Webhook> {
        Ok(Webhook {
            id: self.id.into(),
            tenant: self.tenant_id.into(),
            url: self.url,
            events: from_json("webhook events", self.events)?,
            disabled_reason: self.disabled_reason,
            created_at: self.created_at,
        })
    }
}

const WEBHOOK: &str =
    "select tenant_id, id, url, events, disabled_reason, created_at from reporting.webhooks";

pub(crate) async fn insert(tx: &TenantTx, webhook: &Webhook, secret: &Sealed) -> StorageResult<()> {
    tx.execute(
        "insert into reporting.webhooks (tenant_id, id, url, events, sealed_key, sealed, created_at) values ($1, $2, $3, $4, $5, $6, $7)",
        [
            tx.tenant()?.0.into(),
            webhook.id.0.into(),
            webhook.url.clone().into(),
            to_json("webhook events", &webhook.events)?.into(),
            number(secret.key)?.into(),
            secret.bytes.clone().into(),
            webhook.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn list(tx: &TenantTx) -> StorageResult<Vec<Webhook>> {
    let rows: Vec<WebhookRow> = tx.all(&format!("{WEBHOOK} order by id"), []).await?;
    rows.into_iter().map(WebhookRow::webhook).collect()
}

pub(crate) async fn get(tx: &TenantTx, id: WebhookId) -> StorageResult<Option<Webhook>> {
    let row: Option<WebhookRow> = tx
        .one(&format!("{WEBHOOK} where id = $1"), [id.0.into()])
        .await?;
    row.map(WebhookRow::webhook).transpose()
}

/// Whether there was one to delete; its deliveries go too.
pub(crate) async fn delete(tx: &TenantTx, id: WebhookId) -> StorageResult<bool> {
    Ok(tx
        .execute(
            "delete from reporting.webhooks where id = $1",
            [id.0.into()],
        )
        .await?
        > 0)
}

/// Turns an endpoint off and drops what waits for it.
pub(crate) async fn disable(tx: &TenantTx, id: WebhookId, reason: &str) -> StorageResult<()> {
    tx.execute(
        "update reporting.webhooks set disabled_reason = $2 where id = $1",
        [id.0.into(), reason.into()],
    )
    .await?;
    tx.execute(
        "update reporting.webhook_deliveries set next_attempt_at = null where webhook_id = $1",
        [id.0.into()],
    )
    .await?;
    Ok(())
}

/// A delivery for every endpoint that is on and wants the event; the same event makes it once.
pub(crate) async fn enqueue(
    tx: &TenantTx,
    event_id: Uuid,
    event: &str,
    body: &str,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> StorageResult<u64> {
    let tenant = tx.tenant()?;
    let wanted = "select id from reporting.webhooks where tenant_id = $1 and disabled_reason = '' and (events = '[]'::jsonb or jsonb_exists(events, $2))";
    #[derive(FromQueryResult)]
    struct Endpoint {
        id: Uuid,
    }
    let endpoints: Vec<Endpoint> = tx.all(wanted, [tenant.0.into(), event.into()]).await?;
    let mut made = 0;
    for endpoint in endpoints {
        made += tx
            .execute(
                "insert into reporting.webhook_deliveries (tenant_id, id, webhook_id, event_id, event, body, next_attempt_at, give_up_at, \
                 created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $7) on conflict do nothing",
                [
                    tenant.0.into(),
                    WebhookDeliveryId::new(now).0.into(),
                    endpoint.id.into(),
                    event_id.into(),
                    event.into(),
                    body.into(),
                    now.into(),
                    give_up_at.into(),
                ],
            )
            .await?;
    }
    Ok(made)
}

#[derive(FromQueryResult)]
struct DeliveryRow {
    id: Uuid,
    webhook_id: Uuid,
    event: String,
    body: String,
    attempts: i32,
    last_status: Option<i32>,
    last_error: String,
    delivered_at: Option<DateTime<Utc>>,
    next_attempt_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id.into(),
            webhook: row.webhook_id.into(),
            event: row.event,
            body: row.body,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            last_status: row
                .last_status
                .and_then(|status| u16::try_from(status).ok()),
            last_error: row.last_error,
            delivered_at: row.delivered_at,
            next_attempt_at: row.next_attempt_at,
            created_at: row.created_at,
        }
    }
}

const DELIVERY: &str = "select id, webhook_id, event, body, attempts, last_status, last_error, delivered_at, next_attempt_at, created_at \
                        from reporting.webhook_deliveries";

/// Deliveries of an endpoint, newest first.
pub(crate) async fn deliveries(
    tx: &TenantTx,
    request: &DeliveryList,
) -> StorageResult<Page<Delivery>> {
    let after = request
        .page
        .after
        .as_deref()
        .and_then(|after| after.parse::<Uuid>().ok())
        .unwrap_or_else(Uuid::max);
    let limit = request.page.limit();
    let sql = format!("{DELIVERY} where webhook_id = $1 and id < $2 order by id desc limit $3");
    let rows: Vec<DeliveryRow> = tx
        .all(
            &sql,
            [
                request.webhook.0.into(),
                after.into(),
                (column(limit)? + 1).into(),
            ],
        )
        .await?;
    Ok(Page::from_rows(
        rows.into_iter().map(Delivery::from).collect(),
        limit,
        |delivery: &Delivery| delivery.id.to_string(),
    ))
}

pub(crate) async fn delivery(
    tx: &TenantTx,
    id: WebhookDeliveryId,
) -> StorageResult<Option<Delivery>> {
    let row: Option<DeliveryRow> = tx
        .one(&format!("{DELIVERY} where id = $1"), [id.0.into()])
        .await?;
    Ok(row.map(Delivery::from))
}

/// Sends it again, with new patience.
pub(crate) async fn replay(
    tx: &TenantTx,
    id: WebhookDeliveryId,
    now: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
) -> StorageResult<()> {
    tx.execute(
        "update reporting.webhook_deliveries set attempts = 0, last_status = null, last_error = '', delivered_at = null, \
         next_attempt_at = $2, give_up_at = $3 where id = $1",
        [id.0.into(), now.into(), give_up_at.into()],
    )
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct DueRow {
    tenant_id: Uuid,
    id: Uuid,
}

/// Takes due deliveries; nobody else takes them until `lease_until`, when they are due again if we die.
pub(crate) async fn claim(
    tx: &WorkerTx,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> StorageResult<Vec<(TenantId, WebhookDeliveryId)>> {
    let sql = "update reporting.webhook_deliveries d set next_attempt_at = $2 from (\
               select tenant_id, id from reporting.webhook_deliveries where next_attempt_at <= $1 order by next_attempt_at limit 32 \
               for update skip locked) due where d.tenant_id = due.tenant_id and d.id = due.id returning d.tenant_id, d.id";
    let rows: Vec<DueRow> = tx.all(sql, [now.into(), lease_until.into()]).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}

/// A secret as it stands in a row.
pub(crate) enum Secret {
    /// Written before secrets were sealed.
    Open(String),
    /// As it should be.
    Sealed(Sealed),
}

fn secret(open: String, key: i32, bytes: Vec<u8>) -> Secret {
    match u32::try_from(key) {
        Ok(key) if key > 0 => Secret::Sealed(Sealed { key, bytes }),
        _ => Secret::Open(open),
    }
}

fn number(key: u32) -> StorageResult<i32> {
    i32::try_from(key).map_err(|_| StorageError::Encoding {
        what: "the number of a key",
        reason: key.to_string(),
    })
}

/// Some webhooks, of any organization, whose secret is not sealed with this key or a later one.
pub(crate) async fn stale(tx: &WorkerTx, key: u32) -> StorageResult<Vec<(TenantId, WebhookId)>> {
    let rows: Vec<DueRow> = tx
        .all(
            "select tenant_id, id from reporting.webhooks where sealed_key < $1 limit 100",
            [number(key)?.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), row.id.into()))
        .collect())
}

#[derive(FromQueryResult)]
struct SecretRow {
    secret: String,
    sealed_key: i32,
    sealed: Vec<u8>,
}

/// A webhook's secret; the row is locked.
pub(crate) async fn lock_secret(tx: &TenantTx, id: WebhookId) -> StorageResult<Option<Secret>> {
    let row: Option<SecretRow> = tx
        .one(
            "select secret, sealed_key, sealed from reporting.webhooks where id = $1 for update",
            [id.0.into()],
        )
        .await?;
    Ok(row.map(|row| secret(row.secret, row.sealed_key, row.sealed)))
}

/// Keeps a secret sealed and no longer in the open.
pub(crate) async fn set_sealed(tx: &TenantTx, id: WebhookId, sealed: &Sealed) -> StorageResult<()> {
    tx.execute(
        "update reporting.webhooks set secret = '', sealed_key = $2, sealed = $3 where id = $1",
        [
            id.0.into(),
            number(sealed.key)?.into(),
            sealed.bytes.clone().into(),
        ],
    )
    .await?;
    Ok(())
}

/// What is needed to send a delivery.
#[derive(FromQueryResult)]
pub(crate) struct Outgoing {
    pub(crate) webhook_id: Uuid,
    pub(crate) url: String,
    secret: String,
    sealed_key: i32,
    sealed: Vec<u8>,
    pub(crate) body: String,
    pub(crate) attempts: i32,
    pub(crate) give_up_at: DateTime<Utc>,
}

impl Outgoing {
    pub(crate) fn secret(&self) -> Secret {
        secret(self.secret.clone(), self.sealed_key, self.sealed.clone())
    }
}

/// A delivery with its endpoint, if both are still wanted.
pub(crate) async fn outgoing(
    tx: &TenantTx,
    id: WebhookDeliveryId,
) -> StorageResult<Option<Outgoing>> {
    let sql = "select d.webhook_id, w.url, w.secret, w.sealed_key, w.sealed, d.body, d.attempts, d.give_up_at from reporting.webhook_deliveries d \
               join reporting.webhooks w on w.tenant_id = d.tenant_id and w.id = d.webhook_id \
               where d.id = $1 and d.delivered_at is null and d.next_attempt_at is not null and w.disabled_reason = ''";
    tx.one(sql, [id.0.into()]).await
}

/// How a try ended.
pub(crate) struct Tried<'a> {
    pub(crate) attempts: u32,
    pub(crate) status: Option<u16>,
    pub(crate) error: &'a str,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
    pub(crate) next_attempt_at: Option<DateTime<Utc>>,
}

pub(crate) async fn tried(
    tx: &TenantTx,
    id: WebhookDeliveryId,
    tried: &Tried<'_>,
) -> StorageResult<()> {
    tx.execute(
        "update reporting.webhook_deliveries set attempts = $2, last_status = $3, last_error = $4, delivered_at = $5, next_attempt_at = $6 \
         where id = $1",
        [
            id.0.into(),
            i32::try_from(tried.attempts).unwrap_or(i32::MAX).into(),
            tried.status.map(i32::from).into(),
            tried.error.into(),
            tried.delivered_at.into(),
            tried.next_attempt_at.into(),
        ],
    )
    .await?;
    Ok(())
}
