//! What agents say about runs. The journal is the truth: its steps are stored in order, once each, and the run is their fold.

use super::SchedulerService;
use crate::domain::cause::explain;
use crate::store::{self, run::Key};
use netpatch_proof::PublicKey;
use netpatch_protocol::document::{Envelope, RunResult};
use netpatch_protocol::{open_envelope, target};
use netpatch_scheduler_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{RequestContext, RunId, ServiceError, ServiceResult, Sha256, TenantId};
use prost::Message as _;

const MAX_EVENTS: usize = 1000;
const MAX_ATTEMPT: u32 = 1000;
const MAX_EVIDENCE_LINES: usize = 50;

impl SchedulerService {
    pub(super) async fn report_run(
        &self,
        ctx: &RequestContext,
        report: RunReport,
    ) -> ServiceResult<RunStored> {
        if report.events.len() > MAX_EVENTS {
            return Err(ServiceError::invalid(
                "events",
                "a report has at most 1000 events",
            ));
        }
        if !(1..=MAX_ATTEMPT).contains(&report.attempt) {
            return Err(ServiceError::invalid(
                "attempt",
                "attempts count from 1 to 1000",
            ));
        }
        let tx = self.database.write(ctx).await?;
        let key = Key {
            deployment: report.deployment,
            host: report.host,
            sequence: report.sequence,
            attempt: report.attempt,
        };
        let Some(mut stored) = self
            .run_of(
                &tx,
                ctx,
                key,
                report.order,
                report.events.first().map(|event| event.at),
            )
            .await?
        else {
            return Err(ServiceError::not_found("order"));
        };
        let before = (stored.run.status, stored.step, stored.result.is_some());
        for event in &report.events {
            if event.step <= stored.step {
                continue;
            }
            if event.step != stored.step + 1 {
                // A gap: what is stored so far tells the agent where to go on from.
                break;
            }
            let event = bounded(event);
            store::run::append(&tx, stored.run.id, &event).await?;
            fold(&mut stored.run, &event);
            stored.step = event.step;
        }
        stored.run.bytes_from_relay = stored.run.bytes_from_relay.max(report.bytes_from_relay);
        stored.run.bytes_from_origin = stored.run.bytes_from_origin.max(report.bytes_from_origin);
        if let Some(result) = report
            .result
            .filter(|_| stored.run.status.is_final() && stored.result.is_none())
        {
            stored.manifest = result_of(&result, key, report.order, stored.run.tenant)?;
            stored.result = Some(result);
        }
        stored.run.last_event_at = Some(self.clock.now());
        store::run::save(&tx, &stored).await?;
        if before != (stored.run.status, stored.step, stored.result.is_some()) {
            self.note_run(&tx, &stored).await?;
        }
        tx.commit().await?;
        self.hint_events().await;
        Ok(RunStored { step: stored.step })
    }

    pub(super) async fn answer_order(
        &self,
        ctx: &RequestContext,
        answer: OrderAnswered,
    ) -> ServiceResult<RunStored> {
        if answer.accepted {
            // The journal's first step says so too, durably.
            return Ok(RunStored::default());
        }
        let tx = self.database.write(ctx).await?;
        let order = store::document::own(&tx, answer.order)
            .await?
            .ok_or_else(|| ServiceError::not_found("order"))?;
        let key = Key {
            deployment: order.deployment,
            host: answer.host,
            sequence: order.sequence,
            attempt: 1,
        };
        let Some(mut stored) = self.run_of(&tx, ctx, key, answer.order, None).await? else {
            return Err(ServiceError::not_found("order"));
        };
        if stored.step == 0 && !stored.run.status.is_final() {
            stored.run.status = RunStatus::Refused;
            stored.run.ended_at = Some(self.clock.now());
            let refusal = match cut(&answer.refusal, 40) {
                empty if empty.is_empty() => "unknown".to_owned(),
                refusal => refusal,
            };
            stored.run.error = Some(explain(&refusal, &cut(&answer.detail, 500), Vec::new()));
            store::run::save(&tx, &stored).await?;
            self.note_run(&tx, &stored).await?;
        }
        tx.commit().await?;
        self.hint_events().await;
        Ok(RunStored::default())
    }

    /// The run of a key, made if the order is ours and was released to hosts.
    async fn run_of(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        key: Key,
        order: Sha256,
        started_at: Option<chrono::DateTime<chrono::Utc>>,
    ) -> ServiceResult<Option<store::run::Stored>> {
        if let Some(stored) = store::run::lock(tx, key).await? {
            return Ok(Some(stored).filter(|stored| stored.order == order));
        }
        let Some(document) = store::document::own(tx, order).await? else {
            return Ok(None);
        };
        let meant = document.deployment == key.deployment && document.sequence == key.sequence;
        let inside = target::in_range(
            target::position(key.deployment, key.host),
            document.low,
            document.high,
        );
        let (Some(wave), true) = (document.wave, document.released && meant && inside) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let fresh = store::run::Stored {
            run: Run {
                id: RunId::new(now),
                tenant: ctx.tenant()?,
                deployment: key.deployment,
                wave,
                host: key.host,
                sequence: key.sequence,
                attempt: key.attempt,
                status: RunStatus::Offered,
                silent: false,
                confirmed: None,
                error: None,
                started_at: Some(started_at.unwrap_or(now)),
                ended_at: None,
                last_event_at: Some(now),
                bytes_from_relay: 0,
                bytes_from_origin: 0,
                events: Vec::new(),
            },
            order,
            step: 0,
            result: None,
            manifest: None,
        };
        store::run::insert(tx, &fresh).await?;
        Ok(store::run::lock(tx, key).await?)
    }

    pub(crate) async fn note_run(
        &self,
        tx: &TenantTx,
        stored: &store::run::Stored,
    ) -> ServiceResult<()> {
        let run = &stored.run;
        let cause = run
            .error
            .as_ref()
            .map(|error| error.code.clone())
            .unwrap_or_default();
        let changed = SchedulerEventV1::RunChanged {
            deployment: run.deployment,
            wave: run.wave,
            run: run.id,
            host: run.host,
            status: run.status,
            cause,
        };
        self.emit(tx, &run.id.to_string(), changed).await?;
        // A failure that is rolled back ends with the rollback; its signed result comes with the last step.
        let is_over = stored.result.is_some()
            || matches!(
                run.status,
                RunStatus::Refused | RunStatus::Expired | RunStatus::Cancelled
            );
        if run.status.is_final() && is_over {
            self.note_end(tx, stored).await?;
        }
        Ok(())
    }

    /// The event that goes to the ledger.
    pub(crate) async fn note_end(
        &self,
        tx: &TenantTx,
        stored: &store::run::Stored,
    ) -> ServiceResult<()> {
        let run = &stored.run;
        let cause = run.error.as_ref().map(|error| error.code.clone());
        let ended = SchedulerEventV1::RunEnded {
            deployment: run.deployment,
            run: run.id,
            host: run.host,
            status: run.status,
            cause: cause.unwrap_or_default(),
            envelope: stored.result.clone(),
        };
        Ok(self.emit(tx, &run.id.to_string(), ended).await?)
    }
}

/// What an event does to a run.
fn fold(run: &mut Run, event: &RunEvent) {
    run.status = event.status;
    run.ended_at = event.status.is_final().then_some(event.at);
    if event.status != RunStatus::Succeeded {
        run.confirmed = None;
    }
    if !event.cause.is_empty() {
        run.error = Some(explain(
            &event.cause,
            &event.message,
            event.evidence.clone(),
        ));
    } else if !keeps_error(event.status) {
        // What the scheduler set in the agent's silence is overridden, too.
        run.error = None;
    }
}

/// A rollback and its outcome keep the failure's cause.
fn keeps_error(status: RunStatus) -> bool {
    matches!(
        status,
        RunStatus::Failed
            | RunStatus::RollingBack
            | RunStatus::RolledBack
            | RunStatus::RollbackFailed
            | RunStatus::Refused
            | RunStatus::Expired
            | RunStatus::Cancelled
    )
}

/// The database takes no NUL in text.
fn cut(text: &str, length: usize) -> String {
    text.chars()
        .filter(|character| *character != '\0')
        .take(length)
        .collect()
}

/// Nothing from outside grows without limit.
fn bounded(event: &RunEvent) -> RunEvent {
    RunEvent {
        message: cut(&event.message, 500),
        cause: cut(&event.cause, 40),
        evidence: event
            .evidence
            .iter()
            .take(MAX_EVIDENCE_LINES)
            .map(|line| cut(line, 500))
            .collect(),
        ..event.clone()
    }
}

/// The manifest that a signed result names. It must be about this run, and signed by the key that it names; whose key that
/// is stands in the host's certificate, which the edge checks.
fn result_of(
    envelope: &[u8],
    key: Key,
    order: Sha256,
    tenant: TenantId,
) -> ServiceResult<Option<Sha256>> {
    let bad = |what: &str| ServiceError::invalid("result", format!("the run result {what}"));
    let envelope = Envelope::decode(envelope).map_err(|_| bad("cannot be read"))?;
    let claimed = RunResult::decode(envelope.payload.as_slice())
        .map_err(|_| bad("cannot be read"))?
        .public_key;
    let signer = PublicKey::p256_spki(&claimed).ok_or_else(|| bad("names no key"))?;
    let result = open_envelope::<RunResult>(&envelope, &[signer], 1)
        .map_err(|_| bad("is not signed by the key that it names"))?;
    let ours = result.organization_id == tenant.to_string()
        && result.host_id == key.host.to_string()
        && result.deployment_id == key.deployment.to_string()
        && result.sequence == key.sequence
        && result.attempt == key.attempt
        && result.order == order.0;
    if ours {
        Ok(Sha256::from_slice(&result.manifest_hash))
    } else {
        Err(bad("is not about this host's run of this order"))
    }
}
