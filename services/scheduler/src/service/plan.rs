//! Planning a deployment: what may go, to whom, in which waves, when.

use super::SchedulerService;
use crate::domain::cut::{Slice, cut};
use crate::store::deployment::Windows;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::{PatchContentGet, PatchTargets, Target};
use netpatch_policy_api::{ApprovalUsable, Policy, PolicyGet, WindowGet, WindowList};
use netpatch_protocol::{content, document, target};
use netpatch_scheduler_api::{DeploymentCreate, NotDeployable, PlannedWave, SiteWindow};
use netpatch_types::{
    DeploymentId, PageRequest, PatchId, RequestContext, ServiceError, ServiceResult,
};
use std::collections::BTreeMap;

/// Everything that a deployment is made of.
pub(super) struct Plan {
    pub(super) policy: Policy,
    /// In order, each once.
    pub(super) patches: Vec<PatchId>,
    pub(super) windows: Windows,
    pub(super) content: document::Content,
    /// Encoded envelopes.
    pub(super) approvals: Vec<Vec<u8>>,
    pub(super) missing: Vec<NotDeployable>,
    /// In order of position.
    pub(super) targets: Vec<Target>,
    pub(super) slices: Vec<Slice>,
}

impl Plan {
    pub(super) fn waves(&self) -> Vec<PlannedWave> {
        let named = |slice: &Slice| {
            self.targets[slice.first..]
                .iter()
                .take(slice.hosts.min(20))
                .map(|target| target.hostname.clone())
        };
        (1u32..)
            .zip(&self.slices)
            .map(|(ordinal, slice)| PlannedWave {
                ordinal,
                hosts: slice.hosts as u64,
                hostnames: named(slice).collect(),
            })
            .collect()
    }

    pub(super) fn payload_bytes(&self) -> u64 {
        self.content.items.iter().map(|item| item.size_bytes).sum()
    }

    /// The next start in each site, by the zone of one of its hosts.
    pub(super) fn site_windows(
        &self,
        now: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Vec<SiteWindow> {
        let zones: BTreeMap<_, _> = self
            .targets
            .iter()
            .map(|target| (target.site, target.time_zone.as_str()))
            .collect();
        zones
            .into_iter()
            .map(|(site, zone)| {
                let zone = netpatch_window::parse_zone(zone).unwrap_or(chrono_tz::UTC);
                let starts = self.windows.maintenance.iter().filter_map(|rule| {
                    netpatch_window::open_between(
                        rule,
                        &self.windows.blackouts,
                        zone,
                        now,
                        not_after,
                    )
                    .ok()?
                    .first()
                    .map(|open| open.start)
                });
                SiteWindow {
                    site,
                    next_start: starts.min(),
                }
            })
            .collect()
    }
}

impl SchedulerService {
    pub(super) async fn plan(
        &self,
        ctx: &RequestContext,
        id: DeploymentId,
        request: &DeploymentCreate,
    ) -> ServiceResult<Plan> {
        if request.patches.is_empty() || request.patches.len() > 500 {
            return Err(ServiceError::invalid(
                "patchIds",
                "a deployment has 1 to 500 patches",
            ));
        }
        let mut patches = request.patches.clone();
        patches.sort_unstable();
        patches.dedup();
        let policy = self
            .policy
            .policy_get(ctx, PolicyGet { id: request.policy })
            .await?;
        if !policy.spec.enabled {
            return Err(ServiceError::invalid(
                "policyId",
                "the policy is off; switch it on first",
            ));
        }
        let windows = self.windows(ctx, &policy).await?;
        let group = policy.spec.group;
        let usable = self
            .policy
            .approval_usable(
                ctx,
                ApprovalUsable {
                    patches: patches.clone(),
                    group,
                },
            )
            .await?;
        let mut missing: Vec<NotDeployable> = usable
            .missing
            .into_iter()
            .map(|missing| NotDeployable {
                patch: missing.patch,
                approval: missing.approval,
                reason: missing.reason,
            })
            .collect();
        let mut items = Vec::new();
        let mut approvals = Vec::new();
        for approval in usable.approved {
            let offered = self
                .inventory
                .patch_content(
                    ctx,
                    PatchContentGet {
                        patch: approval.patch,
                        group,
                    },
                )
                .await?;
            let block = |reason: String| NotDeployable {
                patch: approval.patch,
                approval: Some(approval.id),
                reason,
            };
            if let Some(disagreement) = offered.disagreement {
                missing.push(block(format!(
                    "hosts disagree on what this patch is: {disagreement}"
                )));
                continue;
            }
            let own: Vec<_> = offered
                .items
                .iter()
                .map(|item| document_item(item, approval.patch))
                .collect();
            if content::content_digest(&document::Content { items: own.clone() })
                != approval.content_digest
            {
                missing.push(block(
                    "what would be installed has changed since the approval".to_owned(),
                ));
                continue;
            }
            items.extend(own);
            approvals.push(approval.envelope);
        }
        items.sort_by(|left, right| {
            (&left.patch_id, &left.name, &left.arch).cmp(&(
                &right.patch_id,
                &right.name,
                &right.arch,
            ))
        });
        let mut targets = self
            .inventory
            .patch_targets(
                ctx,
                PatchTargets {
                    patches: patches.clone(),
                    group,
                },
            )
            .await?;
        targets.sort_by_key(|host| target::position(id, host.host));
        let positions: Vec<u64> = targets
            .iter()
            .map(|host| target::position(id, host.host))
            .collect();
        let slices = cut(&positions, &policy.spec.rollout.waves);
        Ok(Plan {
            policy,
            patches,
            windows,
            content: document::Content { items },
            approvals,
            missing,
            targets,
            slices,
        })
    }

    pub(crate) async fn windows(
        &self,
        ctx: &RequestContext,
        policy: &Policy,
    ) -> ServiceResult<Windows> {
        let mut windows = Windows::default();
        for id in &policy.spec.windows {
            let window = self.policy.window_get(ctx, WindowGet { id: *id }).await?;
            if !window.spec.blackout {
                windows.maintenance.push(window.spec.rule);
            }
        }
        if windows.maintenance.is_empty() {
            return Err(ServiceError::invalid(
                "policyId",
                "the policy has no maintenance window, so nothing may be installed; give it one",
            ));
        }
        let request = WindowList {
            page: PageRequest::largest(),
            blackout: Some(true),
        };
        let blackouts = self.policy.window_list(ctx, request).await?;
        windows.blackouts = blackouts
            .into_nodes()
            .into_iter()
            .map(|window| window.spec.rule)
            .collect();
        Ok(windows)
    }
}

/// One item as documents carry it; the same as policy's, or digests would differ.
fn document_item(
    item: &netpatch_inventory_api::ContentItem,
    patch: PatchId,
) -> document::ContentItem {
    document::ContentItem {
        name: item.name.clone(),
        arch: item.arch.clone(),
        version: item.version.clone(),
        fixed_version: item.fixed_version.clone(),
        sha256: item
            .sha256
            .map(|digest| digest.0.to_vec())
            .unwrap_or_default(),
        size_bytes: item.size_bytes,
        remove: item.remove,
        dependency: item.dependency,
        patch_id: patch.public(),
    }
}
