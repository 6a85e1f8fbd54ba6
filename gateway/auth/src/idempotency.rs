//! Idempotency keys of mutations: unique per (client, organization), kept 48 hours.

use crate::Auth;
use chrono::{DateTime, Utc};
use netpatch_types::{ErrorCode, RequestContext, ServiceError, ServiceResult, Sha256};
use sea_orm::FromQueryResult;

/// What to do with a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Do it, then call `idempotency_finish`.
    Fresh,
    /// It was done: this is its answer.
    Done(serde_json::Value),
}

#[derive(FromQueryResult)]
struct Row {
    body_hash: Vec<u8>,
    answer: Option<serde_json::Value>,
    created_at: DateTime<Utc>,
}

/// After so long an unfinished mutation counts as lost with its process.
const LOST_SECONDS: i64 = 60;

impl Auth {
    /// Looks a key up and takes it. Another body is a mismatch; the same body still in work is a conflict.
    pub async fn idempotency_begin(
        &self,
        ctx: &RequestContext,
        key: &str,
        body: &[u8],
    ) -> ServiceResult<Idempotency> {
        if key.is_empty() || key.len() > 128 {
            return Err(ServiceError::invalid(
                "idempotencyKey",
                "an idempotency key has 1 to 128 characters",
            ));
        }
        let (tenant, now, hash) = (ctx.tenant()?, self.clock.now(), Sha256::of(body).0.to_vec());
        let tx = self.db.write(ctx).await?;
        let names = || [tenant.0.into(), ctx.actor.id.into(), key.into()];
        let insert = "insert into identity.idempotency_keys (tenant_id, client_id, key, body_hash, created_at) values ($1, $2, $3, $4, $5) on conflict do nothing";
        let [a, b, c] = names();
        if tx
            .execute(insert, [a, b, c, hash.clone().into(), now.into()])
            .await?
            == 1
        {
            tx.commit().await?;
            return Ok(Idempotency::Fresh);
        }
        let sql = "select body_hash, answer, created_at from identity.idempotency_keys where tenant_id = $1 and client_id = $2 and key = $3 for update";
        let row: Row = tx.one(sql, names()).await?.ok_or_else(in_work)?;
        let outcome = match row.answer {
            _ if row.body_hash != hash => {
                return Err(ServiceError {
                    path: vec!["idempotencyKey".to_owned()],
                    ..ServiceError::new(
                        ErrorCode::IdempotencyMismatch,
                        "this idempotency key was used with another input; use a new key",
                    )
                });
            }
            Some(answer) => Idempotency::Done(answer),
            None if (now - row.created_at).num_seconds() < LOST_SECONDS => return Err(in_work()),
            None => {
                let [a, b, c] = names();
                let again = "update identity.idempotency_keys set created_at = $4 where tenant_id = $1 and client_id = $2 and key = $3";
                tx.execute(again, [a, b, c, now.into()]).await?;
                Idempotency::Fresh
            }
        };
        tx.commit().await?;
        Ok(outcome)
    }

    /// Keeps the answer, or (`None`) frees the key because nothing was done.
    pub async fn idempotency_finish(
        &self,
        ctx: &RequestContext,
        key: &str,
        answer: Option<&serde_json::Value>,
    ) -> ServiceResult<()> {
        let tx = self.db.write(ctx).await?;
        let names = [ctx.tenant()?.0.into(), ctx.actor.id.into(), key.into()];
        match answer {
            Some(answer) => {
                let [a, b, c] = names;
                let sql = "update identity.idempotency_keys set answer = $4 where tenant_id = $1 and client_id = $2 and key = $3";
                tx.execute(sql, [a, b, c, answer.clone().into()]).await?;
            }
            None => {
                let sql = "delete from identity.idempotency_keys where tenant_id = $1 and client_id = $2 and key = $3 and answer is null";
                tx.execute(sql, names).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets keys older than 48 hours. A background job.
    pub async fn idempotency_sweep(&self) -> ServiceResult<u64> {
        let tx = self.db.worker_tx().await?;
        let before = self.clock.now() - chrono::Duration::hours(48);
        let count = tx
            .execute(
                "delete from identity.idempotency_keys where created_at < $1",
                [before.into()],
            )
            .await?;
        tx.commit().await?;
        Ok(count)
    }
}

fn in_work() -> ServiceError {
    ServiceError::new(
        ErrorCode::Conflict,
        "the same mutation is still in work; ask again in a moment",
    )
}
