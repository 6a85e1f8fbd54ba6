//! Decisions by rule: compares what policies say with what stands, one (patch, group) after the other.
//!
//! Idempotent: evaluating again changes nothing unless policies, content or time changed. All changes of approvals of an
//! organization are serialised by a lock in the transaction.

use super::{PolicyService, whole_organization};
use crate::domain::approval::{Offer, Opening, Standing, Step, VALID_DAYS, step};
use crate::domain::content;
use crate::domain::decide::{Facts, Outcome, decide};
use crate::store::{self, approval::Stored};
use netpatch_inventory_api::{
    GroupList, HostGet, Patch, PatchContent, PatchContentGet, PatchGet, PatchList,
};
use netpatch_policy_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{
    ApprovalId, ErrorCode, GroupId, PageRequest, PatchId, Permission, PolicyId, RequestContext,
    ServiceError, ServiceResult, TenantId,
};
use std::collections::{BTreeMap, BTreeSet};

/// What an organization says, read once for many patches.
pub(crate) struct Rulebook {
    pub(crate) policies: Vec<Policy>,
    pub(crate) blocked: Vec<BlockEntry>,
    names: BTreeMap<GroupId, String>,
}

impl Rulebook {
    /// The policies of exactly this group of hosts.
    pub(crate) fn of(&self, group: Option<GroupId>) -> Vec<Policy> {
        self.policies
            .iter()
            .filter(|policy| policy.spec.group == group)
            .cloned()
            .collect()
    }

    pub(super) fn title(&self, patch: &Patch, group: Option<GroupId>) -> String {
        let whom = match group {
            None => "all hosts".to_owned(),
            Some(group) => format!(
                "group {}",
                self.names.get(&group).map_or("?", String::as_str)
            ),
        };
        format!("{} {} for {whom}", patch.name, patch.fixed_version)
    }
}

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
        let covers = |policy: &&Policy| {
            policy
                .spec
                .group
                .is_none_or(|group| host.groups.contains(&group))
        };
        let policies: Vec<Policy> = rules.policies.iter().filter(covers).cloned().collect();
        let content = self.content(host.tenant, patch.id, None).await?;
        let outcome = decided(
            &policies,
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
        for group in store::approval::groups_of(&tx, tenant, patch).await? {
            let stored =
                store::approval::standing(&tx, tenant, Subject::Patch { patch, group }).await?;
            let open = |stored: &Stored| {
                !matches!(
                    stored.standing.approval.status,
                    ApprovalStatus::Declined | ApprovalStatus::Banned
                )
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

    /// Decides anew about one patch in one group; what changed, or with `dry_run` what would.
    async fn evaluate_subject(
        &self,
        tenant: TenantId,
        rules: &Rulebook,
        patch: &Patch,
        group: Option<GroupId>,
        dry_run: bool,
    ) -> ServiceResult<Option<Approval>> {
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
        let mut outcome = decided(&rules.of(group), &rules.blocked, patch, Some(&content), now);
        let offer = offer(patch, &content);
        let subject = Subject::Patch {
            patch: patch.id,
            group,
        };
        let tx = self.database.write(&self.system(tenant)).await?;
        store::approval::lock(&tx).await?;
        let stored = store::approval::standing(&tx, tenant, subject).await?;
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
        Ok(changed)
    }

    /// A new approval before it is opened.
    fn opened(
        &self,
        tenant: TenantId,
        subject: Subject,
        title: String,
        outcome: &Outcome,
        content: &PatchContent,
    ) -> Stored {
        let now = self.clock.now();
        let approval = Approval {
            id: ApprovalId::new(now),
            tenant,
            subject,
            status: ApprovalStatus::Awaiting,
            policy: outcome.policy,
            rule: outcome.rule.clone(),
            automatic: false,
            requested_by: self.system(tenant).actor,
            requested_at: now,
            required: 1,
            decisions: Vec::new(),
            content_digest: Some(content::digest(content)),
            expires_at: outcome.again_at,
            logged: false,
            title,
        };
        Stored {
            standing: Standing {
                approval,
                items: content.items.clone(),
            },
            envelope: None,
        }
    }

    /// Opens an approval as a rule says.
    async fn open(
        &self,
        tx: &TenantTx,
        mut stored: Stored,
        opening: &Opening,
    ) -> ServiceResult<Approval> {
        let now = self.clock.now();
        let approval = &mut stored.standing.approval;
        match opening {
            Opening::Awaiting(required) => {
                approval.required = *required;
                approval.expires_at = None;
            }
            Opening::Deferred(until) => {
                approval.status = ApprovalStatus::Deferred;
                approval.automatic = true;
                approval.expires_at = *until;
            }
            Opening::Approved => {
                approval.status = ApprovalStatus::Approved;
                approval.automatic = true;
                approval.required = 0;
                approval.expires_at = Some(now + chrono::Duration::days(VALID_DAYS));
                let reason = format!("rule {:?}", approval.rule.as_deref().unwrap_or_default());
                approval.decisions.push(DecisionRecord {
                    by: approval.requested_by.clone(),
                    verdict: Verdict::Approve,
                    reason,
                    at: now,
                });
                stored.envelope = self.sign_approval(&stored.standing.approval)?;
            }
        }
        self.begin(tx, stored).await
    }

    /// Stores an approval that begins, and says so.
    pub(super) async fn begin(&self, tx: &TenantTx, stored: Stored) -> ServiceResult<Approval> {
        store::approval::insert(tx, &stored).await?;
        let approval = &stored.standing.approval;
        if approval.status == ApprovalStatus::Awaiting {
            let event = PolicyEventV1::ApprovalRequested {
                approval: approval.id,
                subject: approval.subject,
                title: approval.title.clone(),
            };
            self.emit(tx, &approval.id.to_string(), event).await?;
        } else {
            let reason = approval.decisions.last().map_or_else(
                || format!("rule {:?}", approval.rule.as_deref().unwrap_or_default()),
                |last| last.reason.clone(),
            );
            self.decided_event(tx, &stored, approval.requested_by.clone(), reason)
                .await?;
        }
        Ok(stored.standing.approval)
    }

    /// The event that the ledger keeps.
    pub(super) async fn decided_event(
        &self,
        tx: &TenantTx,
        stored: &Stored,
        by: netpatch_types::Actor,
        reason: String,
    ) -> ServiceResult<()> {
        let approval = &stored.standing.approval;
        let event = PolicyEventV1::ApprovalDecided {
            approval: approval.id,
            subject: approval.subject,
            status: approval.status,
            automatic: approval.automatic,
            by,
            reason,
            content_digest: approval.content_digest,
            envelope: stored
                .envelope
                .clone()
                .filter(|_| approval.status == ApprovalStatus::Approved),
        };
        Ok(self.emit(tx, &approval.id.to_string(), event).await?)
    }

    /// Ends an approval.
    pub(super) async fn expire(
        &self,
        tx: &TenantTx,
        mut stored: Stored,
        reason: &str,
    ) -> ServiceResult<()> {
        stored.standing.approval.status = ApprovalStatus::Expired;
        store::approval::update(tx, &stored).await?;
        let by = self.system(stored.standing.approval.tenant).actor;
        self.decided_event(tx, &stored, by, reason.to_owned()).await
    }

    /// The same decision over less content: a new approval with its own signature takes the place of the old one.
    async fn narrow(
        &self,
        tx: &TenantTx,
        stored: Stored,
        content: &PatchContent,
    ) -> ServiceResult<Approval> {
        store::approval::retire(tx, stored.standing.approval.id).await?;
        let mut next = stored;
        next.standing.approval.id = ApprovalId::new(self.clock.now());
        next.standing.approval.content_digest = Some(content::digest(content));
        next.standing.approval.logged = false;
        next.standing.items = content.items.clone();
        next.envelope = self.sign_approval(&next.standing.approval)?;
        store::approval::insert(tx, &next).await?;
        let by = self.system(next.standing.approval.tenant).actor;
        self.decided_event(
            tx,
            &next,
            by,
            "fewer packages than were approved".to_owned(),
        )
        .await?;
        Ok(next.standing.approval)
    }

    /// Policies, block list and names of groups.
    pub(crate) async fn rulebook(&self, tenant: TenantId) -> ServiceResult<Rulebook> {
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let policies = store::policy::all_of(&tx, tenant).await?;
        let blocked = store::block::list(&tx, tenant).await?;
        tx.rollback().await?;
        let groups = self.inventory.group_list(&ctx, GroupList {}).await?;
        Ok(Rulebook {
            policies,
            blocked,
            names: groups
                .into_iter()
                .map(|group| (group.id, group.name))
                .collect(),
        })
    }

    /// What a patch brings to a group; nothing if the group or the patch is gone.
    pub(super) async fn content(
        &self,
        tenant: TenantId,
        patch: PatchId,
        group: Option<GroupId>,
    ) -> ServiceResult<Option<PatchContent>> {
        match self
            .inventory
            .patch_content(&self.system(tenant), PatchContentGet { patch, group })
            .await
        {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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

/// What the policies say, with the names of the binaries if they are known.
pub(super) fn decided(
    policies: &[Policy],
    blocked: &[BlockEntry],
    patch: &Patch,
    content: Option<&PatchContent>,
    now: chrono::DateTime<chrono::Utc>,
) -> Outcome {
    let names = |dependency: bool| -> Vec<String> {
        let items = content.iter().flat_map(|content| &content.items);
        items
            .filter(|item| item.dependency == dependency && !item.remove)
            .map(|item| item.name.clone())
            .collect()
    };
    decide(
        policies,
        blocked,
        Facts {
            patch,
            binaries: &names(false),
            dependencies: &names(true),
        },
        now,
    )
}

/// A person banned the patch, in whatever group: it is blocked in all.
pub(super) fn banned(patch: &Patch) -> Outcome {
    let sentence = format!(
        "{} {} is never installed: a person banned it",
        patch.name, patch.fixed_version
    );
    Outcome {
        decision: Decision::Block,
        policy: None,
        rule: None,
        again_at: None,
        sentence,
    }
}

/// What hosts offer, and what stands in the way.
pub(super) fn offer<'a>(patch: &Patch, content: &'a PatchContent) -> Offer<'a> {
    let superseded = patch
        .superseded_by
        .map(|_| "a newer patch takes its place".to_owned());
    let disagreement = content
        .disagreement
        .as_ref()
        .map(|what| format!("hosts disagree about its content: {what}"));
    Offer {
        items: &content.items,
        digest: content::digest(content),
        obstacle: disagreement.or(superseded),
    }
}

/// The policy that asks people about a group, for requests by people.
pub(super) fn asking_policy(rules: &Rulebook, group: Option<GroupId>) -> Option<PolicyId> {
    rules
        .of(group)
        .iter()
        .find(|policy| policy.spec.enabled)
        .map(|policy| policy.id)
}
