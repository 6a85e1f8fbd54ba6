//! What relays are to fetch ahead: payloads that hosts of a site still need in waves that are open or wait.
//!
//! Only what an approved deployment's content names by hash. What a host has installed is not pending any more, so it leaves the
//! plan by itself, and so does everything of a deployment that ended.

use super::SchedulerService;
use crate::store;
use crate::store::deployment::Stored;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{PatchPayloads, PatchTargets, Target};
use netpatch_protocol::{document, target};
use netpatch_scheduler_api::*;
use netpatch_types::{
    HostId, PageRequest, RequestContext, ServiceError, ServiceResult, Sha256, SiteId,
};
use prost::Message as _;
use std::collections::{BTreeMap, HashSet};

impl SchedulerService {
    pub(super) async fn plan_staging(
        &self,
        ctx: &RequestContext,
        site: SiteId,
    ) -> ServiceResult<StagingPlan> {
        let list = DeploymentList {
            page: PageRequest::largest(),
            tenant: Some(ctx.tenant()?),
            statuses: vec![
                DeploymentStatus::Scheduled,
                DeploymentStatus::Running,
                DeploymentStatus::Paused,
            ],
        };
        let tx = self.database.read(ctx).await?;
        let mut deployments = store::deployment::list(&tx, &list).await?;
        // Who was there first stages first, where both need something at the same time.
        deployments.reverse();
        let mut waves = Vec::new();
        for stored in deployments {
            let own = store::wave::of_deployment(&tx, stored.deployment.id).await?;
            waves.push((stored, own));
        }
        tx.rollback().await?;
        let mut plan = Vec::new();
        for (stored, waves) in &waves {
            plan.extend(self.staging_of(ctx, site, stored, waves).await?);
        }
        Ok(StagingPlan {
            payloads: first_needed(plan),
        })
    }

    /// Which of these an approved deployment of any organization names that is not over.
    pub(super) async fn needed(&self, request: PayloadsNeeded) -> ServiceResult<Vec<Sha256>> {
        if request.payloads.len() > MAX_PAYLOADS_NEEDED {
            return Err(ServiceError::invalid(
                "payloads",
                format!("more than {MAX_PAYLOADS_NEEDED}"),
            ));
        }
        let asked: HashSet<Sha256> = request.payloads.into_iter().collect();
        let mut needed = HashSet::new();
        let mut after = None;
        let tx = self.database.worker_tx().await?;
        loop {
            let some = store::deployment::contents(&tx, after, self.clock.now()).await?;
            let Some((last, _)) = some.last() else { break };
            after = Some(*last);
            for (_, content) in &some {
                needed.extend(approved(content).intersection(&asked));
            }
        }
        tx.rollback().await?;
        Ok(needed.into_iter().collect())
    }

    async fn staging_of(
        &self,
        ctx: &RequestContext,
        site: SiteId,
        stored: &Stored,
        waves: &[store::wave::Stored],
    ) -> ServiceResult<Vec<StagedPayload>> {
        let id = stored.deployment.id;
        let patches = &stored.deployment.patches;
        let request = PatchTargets {
            patches: patches.clone(),
            group: stored.group,
        };
        let mut targets = self.inventory.patch_targets(ctx, request).await?;
        targets.retain(|target| target.site == site);
        let approved = approved(&stored.content);
        let mut staged = Vec::new();
        for wave in waves {
            if !matches!(wave.status, WaveStatus::Waiting | WaveStatus::Open) {
                continue;
            }
            let inside =
                |host: HostId| target::in_range(target::position(id, host), wave.low, wave.high);
            let hosts: Vec<&Target> = targets.iter().filter(|one| inside(one.host)).collect();
            if hosts.is_empty() {
                continue;
            }
            let needed_at = next_start(stored, &hosts, self.clock.now());
            let request = PatchPayloads {
                patches: patches.clone(),
                hosts: hosts.iter().take(10_000).map(|one| one.host).collect(),
            };
            let payloads = self.inventory.patch_payloads(ctx, request).await?;
            let wanted = payloads
                .into_iter()
                .filter(|payload| approved.contains(&payload.sha256));
            staged.extend(wanted.map(|payload| StagedPayload {
                sha256: payload.sha256,
                size_bytes: payload.size_bytes,
                urls: payload.urls,
                deployment: id,
                wave: wave.ordinal,
                needed_at,
            }));
        }
        Ok(staged)
    }
}

/// The hashes that a deployment's approved content names.
fn approved(content: &[u8]) -> HashSet<Sha256> {
    let content = document::Content::decode(content).unwrap_or_default();
    let items = content.items.iter().filter(|item| !item.remove);
    items
        .filter_map(|item| Sha256::from_slice(&item.sha256))
        .collect()
}

/// When the first of these hosts may begin.
fn next_start(stored: &Stored, hosts: &[&Target], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let zones: HashSet<&str> = hosts.iter().map(|host| host.time_zone.as_str()).collect();
    let begin = now.max(stored.not_before);
    let not_after = stored.deployment.not_after;
    let starts = zones.into_iter().flat_map(|zone| {
        let zone = netpatch_window::parse_zone(zone).unwrap_or(chrono_tz::UTC);
        let windows = stored.windows.maintenance.iter();
        windows.filter_map(move |rule| {
            let blackouts = &stored.windows.blackouts;
            let open = netpatch_window::open_between(rule, blackouts, zone, begin, not_after);
            // A window that is open already has no time of its own to tell: a plan must be the same when it is asked for again.
            open.ok()?.first().map(|open| match open.start > begin {
                true => open.start,
                false => stored.not_before,
            })
        })
    });
    starts.min()
}

/// Each payload once, first needed first, and no more than a plan holds.
fn first_needed(payloads: Vec<StagedPayload>) -> Vec<StagedPayload> {
    let never = DateTime::<Utc>::MAX_UTC;
    let mut first: BTreeMap<Sha256, (DateTime<Utc>, usize, StagedPayload)> = BTreeMap::new();
    for (place, payload) in payloads.into_iter().enumerate() {
        let at = payload.needed_at.unwrap_or(never);
        let earlier = first.get(&payload.sha256);
        if earlier.is_none_or(|(held, _, _)| at < *held) {
            first.insert(payload.sha256, (at, place, payload));
        }
    }
    let mut ordered: Vec<_> = first.into_values().collect();
    ordered.sort_by_key(|(at, place, _)| (*at, *place));
    ordered.truncate(MAX_STAGED);
    ordered.into_iter().map(|(_, _, payload)| payload).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::DeploymentId;
    use uuid::Uuid;

    fn payload(byte: u8, wave: u32, at: Option<i64>) -> StagedPayload {
        StagedPayload {
            sha256: Sha256([byte; 32]),
            size_bytes: 1,
            urls: Vec::new(),
            deployment: DeploymentId(Uuid::nil()),
            wave,
            needed_at: at.and_then(|at| DateTime::from_timestamp(at, 0)),
        }
    }

    #[test]
    fn a_payload_is_staged_once_for_who_needs_it_first() {
        let plan = first_needed(vec![
            payload(1, 1, None),
            payload(2, 1, Some(20)),
            payload(1, 2, Some(30)),
            payload(3, 2, Some(20)),
            payload(2, 2, Some(20)),
        ]);
        let order: Vec<(u8, u32)> = plan.iter().map(|one| (one.sha256.0[0], one.wave)).collect();
        assert_eq!(order, [(2, 1), (3, 2), (1, 2)]);
    }
}
