//! Signing a wave's order.

use crate::SchedulerService;
use crate::store::{self, deployment::Stored, wave::Stored as Wave};
use netpatch_protocol::document::{self, Content, Envelope, Order, RebootRule, Target};
use netpatch_scheduler_api::SchedulerEventV1;
use netpatch_storage::TenantTx;
use netpatch_types::{ServiceError, ServiceResult, Sha256};
use netpatch_window::WindowRule;
use prost::Message as _;

/// Before the first measurement: unpacking, scripts and services of one package.
const SECONDS_PER_PACKAGE: u32 = 5;
const SECONDS_AT_LEAST: u32 = 60;

impl SchedulerService {
    /// Signs the order of a wave under the deployment's sequence and asks the ledger to log it.
    pub(super) async fn sign_order(
        &self,
        tx: &TenantTx,
        deployment: &Stored,
        wave: &Wave,
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        let order = self.order(deployment, wave)?;
        let envelope = self.seal(deployment.deployment.tenant, &order)?;
        let document = store::document::Stored {
            digest: Sha256::of(&envelope.payload),
            deployment: deployment.deployment.id,
            wave: Some(wave.id),
            kind: "order".to_owned(),
            sequence: deployment.sequence,
            low: wave.low,
            high: wave.high,
            envelope: envelope.encode_to_vec(),
            released: false,
            not_after: deployment.deployment.not_after,
        };
        store::document::insert(tx, &document, now).await?;
        let event = SchedulerEventV1::OrderSigned {
            deployment: document.deployment,
            wave: wave.id,
            sequence: document.sequence,
            order: document.digest,
            envelope: document.envelope,
        };
        Ok(self
            .emit(tx, &document.deployment.to_string(), event)
            .await?)
    }

    fn order(&self, stored: &Stored, wave: &Wave) -> ServiceResult<Order> {
        let unreadable = |what: &str| {
            tracing::error!(deployment.id = %stored.deployment.id, "the stored {what} of a deployment cannot be read");
            ServiceError::internal()
        };
        let content =
            Content::decode(stored.content.as_slice()).map_err(|_| unreadable("content list"))?;
        let approvals: Result<Vec<Envelope>, _> = stored
            .approvals
            .iter()
            .map(|bytes| Envelope::decode(bytes.as_slice()))
            .collect();
        let items = u32::try_from(content.items.len()).unwrap_or(u32::MAX);
        let rollout = &stored.rollout;
        Ok(Order {
            organization_id: stored.deployment.tenant.to_string(),
            deployment_id: stored.deployment.id.to_string(),
            wave_id: wave.id.to_string(),
            sequence: stored.sequence,
            epoch: 1,
            content: Some(content),
            target: Some(Target {
                group_id: stored
                    .group
                    .map(|group| group.to_string())
                    .unwrap_or_default(),
                ring: String::new(),
                low: wave.low,
                high: wave.high,
            }),
            not_before_ms: stored.not_before.timestamp_millis(),
            not_after_ms: stored.deployment.not_after.timestamp_millis(),
            window: self.window(stored),
            reboot: if rollout.reboot_in_window {
                RebootRule::IfNeededInWindow.into()
            } else {
                RebootRule::Never.into()
            },
            lease_seconds: rollout.lease_seconds,
            policy_digest: stored.policy_digest.clone(),
            approvals: approvals.map_err(|_| unreadable("approvals"))?,
            require_rollback: rollout.require_rollback,
            install_estimate_seconds: items
                .saturating_mul(SECONDS_PER_PACKAGE)
                .max(SECONDS_AT_LEAST),
        })
    }

    /// An order carries one window: of a policy's windows the one that opens next. Its occurrences up to *not after* are the
    /// times in which the wave's hosts may install; the policy's other windows do not count for this order.
    fn window(&self, stored: &Stored) -> Option<document::Window> {
        let now = self.clock.now();
        let next = |rule: &&WindowRule| {
            netpatch_window::open_between(
                rule,
                &stored.windows.blackouts,
                chrono_tz::UTC,
                now,
                stored.deployment.not_after,
            )
            .ok()
            .and_then(|open| open.first().map(|open| open.start))
            .unwrap_or(chrono::DateTime::<chrono::Utc>::MAX_UTC)
        };
        let rule = stored.windows.maintenance.iter().min_by_key(next)?;
        let blackouts = stored
            .windows
            .blackouts
            .iter()
            .map(|rule| window_document(rule, Vec::new()))
            .collect();
        Some(window_document(rule, blackouts))
    }
}

fn window_document(rule: &WindowRule, blackouts: Vec<document::Window>) -> document::Window {
    document::Window {
        rrule: rule.rrule.clone(),
        starts_at: rule.starts_at.format("%Y-%m-%dT%H:%M:%S").to_string(),
        duration_seconds: rule.duration_s,
        offset_days: rule.offset_days,
        time_zone: rule
            .time_zone
            .map(|zone| zone.name().to_owned())
            .unwrap_or_default(),
        blackouts,
    }
}
