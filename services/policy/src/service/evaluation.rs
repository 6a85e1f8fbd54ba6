//! Decisions by rule: compares what policies say with what stands, one (patch, group) after the other.
//!
//! Idempotent: evaluating again changes nothing unless policies, content or time changed. All changes of approvals of an
//! organization are serialised by a lock in the transaction.

use super::rulebook::{Rulebook, banned, decided, offer};
use super::{PolicyService, whole_organization};
use crate::domain::step::{Step, over, step};
use crate::store::{self, approval::Stored};
use netpatch_inventory_api::{HostGet, Patch, PatchContent, PatchGet, PatchList};
use netpatch_policy_api::*;
use netpatch_types::{
    ApprovalId, ErrorCode, GroupId, PageRequest, PatchId, Permission, RequestContext, ServiceError,
    ServiceResult, Sha256, TenantId,
};
use std::collections::BTreeSet;

/// Looks at most, when others change the approval meanwhile.
const ATTEMPTS: usize = 5;

/// Somebody else changed the approval: look again.
struct Overtaken;

impl PolicyService {
    pub(super) async fn evaluate_policy(
        &self,
        ctx: &RequestContext,
        request: PolicyEvaluate,
    ) -> ServiceResult<Vec<Approval>> {
        ctx.require(Permission::PolicyWrite)?;
        whole_organization(ctx)?;
        let tenant = ctx.tenant()?;
        let rules = self.rulebook(tenant).await?;
        let policy = rules
            .policies
            .iter()
            .find(|policy| policy.id == request.id)
            .ok_or_else(|| ServiceError::not_found("policy"))?;
        if !policy.spec.enabled {
            return Err(ServiceError::invalid_state(
                "the policy is off; turn it on first",
            ));
        }
        let (group, mut approvals) = (policy.spec.group, Vec::new());
        for patch in self.offered_patches(tenant).await? {
            approvals.extend(
                self.evaluate_subject(tenant, &rules, &patch, group, request.dry_run)
                    .await?,
            );
        }
        self.hint().await;
        Ok(approvals)
    }

    pub(super) async fn explain(
        &self,
        ctx: &RequestContext,
        request: PolicyExplain,
    ) -> ServiceResult<Explanation> {
        ctx.require(Permission::Read)?;
        let host = self
            .inventory
            .host_get(ctx, HostGet { id: request.host })
            .await?;
        let patch = self
            .inventory
            .patch_get(&self.system(host.tenant), PatchGet { id: request.patch })
            .await?;
        let rules = self.rulebook(host.tenant).await?;
        let content = self.content(host.tenant, patch.id, None).await?;
        let outcome = decided(
            &rules.cover_host(&host.groups),
            &rules.blocked,
            &patch,
            content.as_ref(),
            self.clock.now(),
        );
        Ok(Explanation {
            sentence: outcome.sentence,
            policy: outcome.policy,
            rule: outcome.rule,
            decision: outcome.decision,
        })
    }

    /// Decides anew about one patch in every group that a policy or an approval names.
    pub(crate) async fn evaluate_patch(&self, tenant: TenantId, id: PatchId) -> ServiceResult<()> {
        let patch = match self
            .inventory
            .patch_get(&self.system(tenant), PatchGet { id })
            .await
        {
            Ok(patch) => patch,
            Err(error) if error.code == ErrorCode::NotFound => {
                return self.close_gone(tenant, id).await;
            }
            Err(error) => return Err(error),
        };
        let rules = self.rulebook(tenant).await?;
        self.evaluate_groups(tenant, &rules, &patch).await
    }

    /// Decides anew about every patch that hosts offer.
    pub(crate) async fn evaluate_all(&self, tenant: TenantId) -> ServiceResult<()> {
        let rules = self.rulebook(tenant).await?;
        let mut seen = BTreeSet::new();
        for patch in self.offered_patches(tenant).await? {
            seen.insert(patch.id);
            self.evaluate_groups(tenant, &rules, &patch).await?;
        }
        for id in self.waiting_patches(tenant).await? {
            if !seen.contains(&id) {
                self.evaluate_patch(tenant, id).await?;
            }
        }
        Ok(())
    }

    /// Patches about which something waits, offered or not.
    pub(crate) async fn waiting_patches(&self, tenant: TenantId) -> ServiceResult<Vec<PatchId>> {
        let tx = self.database.read(&self.system(tenant)).await?;
        Ok(store::approval::waiting_patches(&tx, tenant).await?)
    }

    /// Nobody knows the patch any more: what waits about it ends.
    async fn close_gone(&self, tenant: TenantId, patch: PatchId) -> ServiceResult<()> {
        let tx = self.database.write(&self.system(tenant)).await?;
        store::approval::lock(&tx).await?;
        let now = self.clock.now();
        for group in store::approval::groups_of(&tx, tenant, patch).await? {
            let stored =
                store::approval::standing(&tx, tenant, Subject::Patch { patch, group }).await?;
            let open = |stored: &Stored| {
                let approval = &stored.standing.approval;
                matches!(
                    approval.status,
                    ApprovalStatus::Awaiting | ApprovalStatus::Deferred
                ) || over(approval, now)
            };
            if let Some(stored) = stored.filter(open) {
                self.expire(&tx, stored, "no host needs it any more")
                    .await?;
            }
        }
        tx.commit().await?;
        self.hint().await;
        Ok(())
    }

    async fn evaluate_groups(
        &self,
        tenant: TenantId,
        rules: &Rulebook,
        patch: &Patch,
    ) -> ServiceResult<()> {
        let tx = self.database.read(&self.system(tenant)).await?;
        let mut groups: BTreeSet<Option<GroupId>> =
            store::approval::groups_of(&tx, tenant, patch.id)
                .await?
                .into_iter()
                .collect();
        tx.rollback().await?;
        groups.extend(
            rules
                .policies
                .iter()
                .filter(|policy| policy.spec.enabled)
                .map(|policy| policy.spec.group),
        );
        for group in groups {
            self.evaluate_subject(tenant, rules, patch, group, false)
                .await?;
        }
        self.hint().await;
        Ok(())
    }

    async fn seen(&self, tenant: TenantId, subject: Subject) -> ServiceResult<Sight> {
        let tx = self.database.read(&self.system(tenant)).await?;
        Ok(sight(
            store::approval::standing(&tx, tenant, subject)
                .await?
                .as_ref(),
        ))
    }

    /// Decides anew about one patch in one group; what changed, or with `dry_run` what would. Repeats itself when
    /// somebody else changed the approval while it looked.
    async fn evaluate_subject(
        &self,
        tenant: TenantId,
        rules: &Rulebook,
        patch: &Patch,
        group: Option<GroupId>,
        dry_run: bool,
    ) -> ServiceResult<Option<Approval>> {
        for _ in 0..ATTEMPTS {
            if let Ok(changed) = self
                .evaluate_once(tenant, rules, patch, group, dry_run)
                .await?
            {
                return Ok(changed);
            }
        }
        Err(ServiceError::unavailable(
            "the approval, which others keep changing,",
        ))
    }

    async fn evaluate_once(
        &self,
        tenant: TenantId,
        rules: &Rulebook,
        patch: &Patch,
        group: Option<GroupId>,
        dry_run: bool,
    ) -> ServiceResult<Result<Option<Approval>, Overtaken>> {
        let subject = Subject::Patch {
            patch: patch.id,
            group,
        };
        // Read before the content: if somebody changed what stands meanwhile, this look is older and must be repeated.
        let before = self.seen(tenant, subject).await?;
        let gone = || PatchContent {
            patch: patch.id,
            items: Vec::new(),
            disagreement: None,
        };
        let content = self
            .content(tenant, patch.id, group)
            .await?
            .unwrap_or_else(gone);
        let now = self.clock.now();
        let mut outcome = decided(
            &rules.cover(group),
            &rules.blocked,
            patch,
            Some(&content),
            now,
        );
        let offer = offer(patch, &content);
        let tx = self.database.write(&self.system(tenant)).await?;
        store::approval::lock(&tx).await?;
        let stored = store::approval::standing(&tx, tenant, subject).await?;
        if sight(stored.as_ref()) != before {
            return Ok(Err(Overtaken));
        }
        let standing = stored.as_ref().map(|stored| &stored.standing);
        if store::approval::is_banned(&tx, tenant, patch.id).await? {
            outcome = banned(patch);
        }
        let next = step(standing, &outcome, &offer, now);
        let fresh = || {
            self.opened(
                tenant,
                subject,
                rules.title(patch, group),
                &outcome,
                &content,
            )
        };
        let changed = match (next, stored) {
            (Step::Open(opening), None) => Some(self.open(&tx, fresh(), &opening).await?),
            (Step::Close(reason, opening), Some(stored)) => {
                self.expire(&tx, stored, &reason).await?;
                match opening {
                    Some(opening) => Some(self.open(&tx, fresh(), &opening).await?),
                    None => None,
                }
            }
            (Step::Rebind(required), Some(mut stored)) => {
                stored.standing.approval.required = required;
                stored.standing.approval.policy = outcome.policy;
                stored.standing.approval.content_digest = Some(offer.digest);
                stored.standing.items = content.items.clone();
                store::approval::update(&tx, &stored).await?;
                Some(stored.standing.approval)
            }
            (Step::Narrow, Some(stored)) => Some(self.narrow(&tx, stored, &content).await?),
            _ => None,
        };
        if dry_run {
            tx.rollback().await?
        } else {
            tx.commit().await?
        }
        Ok(Ok(changed))
    }

    async fn offered_patches(&self, tenant: TenantId) -> ServiceResult<Vec<Patch>> {
        let (ctx, mut page, mut all) = (self.system(tenant), PageRequest::largest(), Vec::new());
        loop {
            let found = self
                .inventory
                .patch_list(
                    &ctx,
                    PatchList {
                        page: page.clone(),
                        ..PatchList::default()
                    },
                )
                .await?;
            let last = found
                .rows
                .last()
                .map(|row| row.cursor.clone())
                .filter(|_| found.has_next);
            all.extend(found.into_nodes());
            match last {
                Some(cursor) => page.after = Some(cursor),
                None => return Ok(all),
            }
        }
    }
}

/// What an evaluation must find unchanged when it acts.
type Sight = Option<(ApprovalId, ApprovalStatus, Option<Sha256>, usize)>;

fn sight(stored: Option<&Stored>) -> Sight {
    stored.map(|stored| {
        let approval = &stored.standing.approval;
        (
            approval.id,
            approval.status,
            approval.content_digest,
            approval.decisions.len(),
        )
    })
}
