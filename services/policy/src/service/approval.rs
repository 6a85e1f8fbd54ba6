//! Approvals as people and the ledger see them: read, ask, decide, logged.

use super::rulebook::{asking_policy, banned, decided, offer};
use super::{PolicyService, whole_organization};
use crate::domain::approval::vote;
use crate::domain::content::covered;
use crate::domain::step::{Offer, Standing};
use crate::store::{self, approval::Stored, work};
use netpatch_inventory_api::PatchGet;
use netpatch_policy_api::*;
use netpatch_types::{
    ActorKind, ApprovalId, GroupId, Page, PatchId, Permission, RequestContext, ServiceError,
    ServiceResult, TenantId,
};

impl PolicyService {
    pub(super) async fn list_approvals(
        &self,
        ctx: &RequestContext,
        request: ApprovalList,
    ) -> ServiceResult<Page<Approval>> {
        ctx.require(Permission::Read)?;
        let after = request.page.after.as_deref().map(read_cursor).transpose()?;
        let tx = self.database.read(ctx).await?;
        let limit = request.page.limit();
        let rows = store::approval::list(&tx, &request, after, limit + 1).await?;
        Ok(Page::from_rows(rows, limit, |approval| {
            format!(
                "{}:{}",
                u8::from(approval.status != ApprovalStatus::Awaiting),
                approval.id
            )
        }))
    }

    pub(super) async fn get_approval(
        &self,
        ctx: &RequestContext,
        request: ApprovalGet,
    ) -> ServiceResult<Approval> {
        ctx.require(Permission::Read)?;
        let tx = self.database.read(ctx).await?;
        let stored = store::approval::get(&tx, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("approval"))?;
        Ok(stored.standing.approval)
    }

    pub(super) async fn decide_approval(
        &self,
        ctx: &RequestContext,
        request: ApprovalDecide,
    ) -> ServiceResult<Approval> {
        ctx.require(Permission::Approve)?;
        if ctx.actor.kind != ActorKind::User {
            return Err(ServiceError::forbidden("only people decide approvals"));
        }
        let tenant = ctx.tenant()?;
        let seen = self.approval_of(tenant, request.id).await?;
        whole_organization(ctx)?;
        if request.verdict == Verdict::Approve {
            self.check_content(tenant, &seen).await?;
        }
        let tx = self.database.write(ctx).await?;
        store::approval::lock(&tx).await?;
        let mut stored = store::approval::get_of(&tx, tenant, request.id)
            .await?
            .ok_or_else(|| ServiceError::not_found("approval"))?;
        if stored.standing.approval.content_digest != seen.standing.approval.content_digest {
            return Err(content_changed());
        }
        vote(
            &mut stored.standing.approval,
            &ctx.actor,
            request.verdict,
            &request.reason,
            self.clock.now(),
        )?;
        let status = stored.standing.approval.status;
        if let Subject::Exception { exception } = stored.standing.approval.subject {
            self.exception_decided(&tx, &mut stored, exception).await?;
        }
        stored.envelope = if status == ApprovalStatus::Approved {
            self.sign_approval(&stored.standing.approval)?
        } else {
            None
        };
        store::approval::update(&tx, &stored).await?;
        // A first of several approvals is no decision yet.
        if status != ApprovalStatus::Awaiting {
            self.decided_event(
                &tx,
                &stored,
                ctx.actor.clone(),
                request.reason.trim().to_owned(),
            )
            .await?;
        }
        if let (ApprovalStatus::Banned, Subject::Patch { patch, .. }) =
            (status, stored.standing.approval.subject)
        {
            work::ask(&tx, work::EVALUATE, &[patch.to_string()]).await?;
        }
        tx.commit().await?;
        self.hint().await;
        Ok(stored.standing.approval)
    }

    pub(super) async fn request_approval(
        &self,
        ctx: &RequestContext,
        request: ApprovalRequest,
    ) -> ServiceResult<Approval> {
        ctx.require(Permission::Deploy)?;
        let tenant = ctx.tenant()?;
        if !(1..=5).contains(&request.required) {
            return Err(ServiceError::invalid(
                "required",
                format!("{} approvals; ask for 1 to 5", request.required),
            ));
        }
        let asked = match request.subject {
            Subject::Patch { patch, group } => {
                self.asked_patch(ctx, tenant, patch, group, request.required)
                    .await?
            }
            Subject::Exception { .. } => {
                return Err(ServiceError::invalid(
                    "subject",
                    "an exception asks for its approval itself; ask for another exception",
                ));
            }
            Subject::Deployment { deployment } => self.asked(
                ctx,
                tenant,
                request,
                format!("go on with deployment {deployment}"),
            ),
        };
        let tx = self.database.write(ctx).await?;
        store::approval::lock(&tx).await?;
        if let Some(mut stands) = store::approval::standing(&tx, tenant, request.subject).await? {
            let approval = &mut stands.standing.approval;
            let is_patch = matches!(request.subject, Subject::Patch { .. });
            match approval.status {
                ApprovalStatus::Awaiting => {
                    // The first person who asks is the requester, who must not approve.
                    if approval.requested_by.kind == ActorKind::System
                        && ctx.actor.kind != ActorKind::System
                    {
                        approval.requested_by = ctx.actor.clone();
                    }
                    approval.required = approval.required.max(asked.standing.approval.required);
                    store::approval::update(&tx, &stands).await?;
                    tx.commit().await?;
                    return Ok(stands.standing.approval);
                }
                ApprovalStatus::Approved
                    if is_patch && covered(&asked.standing.items, &stands.standing.items) =>
                {
                    return Ok(stands.standing.approval);
                }
                ApprovalStatus::Banned => {
                    return Err(ServiceError::invalid_state(
                        "a person banned it; it is never installed",
                    ));
                }
                ApprovalStatus::Declined => store::approval::retire(&tx, approval.id).await?,
                ApprovalStatus::Approved if !is_patch => {
                    store::approval::retire(&tx, approval.id).await?
                }
                _ => self.expire(&tx, stands, "asked anew").await?,
            }
        }
        let approval = self.begin(&tx, asked).await?;
        tx.commit().await?;
        self.hint().await;
        Ok(approval)
    }

    /// The ledger has the approval: it may be used. Idempotent; an unknown one is passed over.
    pub(crate) async fn approval_logged(
        &self,
        tenant: TenantId,
        id: ApprovalId,
    ) -> ServiceResult<()> {
        let tx = self.database.write(&self.system(tenant)).await?;
        let stored = store::approval::get_of(&tx, tenant, id).await?;
        if stored.is_some_and(|stored| {
            matches!(stored.standing.approval.subject, Subject::Exception { .. })
        }) {
            work::ask(&tx, work::EXCEPTIONS, &[work::ALL.to_owned()]).await?;
        }
        if !store::approval::set_logged(&tx, id, self.clock.now()).await? {
            tracing::debug!(%tenant, approval = %id, "logged, but not approved here");
        }
        tx.commit().await?;
        self.hint().await;
        Ok(())
    }

    async fn approval_of(&self, tenant: TenantId, id: ApprovalId) -> ServiceResult<Stored> {
        let tx = self.database.read(&self.system(tenant)).await?;
        store::approval::get_of(&tx, tenant, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("approval"))
    }

    /// A yes must be about what hosts would install now, or about more.
    async fn check_content(&self, tenant: TenantId, seen: &Stored) -> ServiceResult<()> {
        let Subject::Patch { patch, group } = seen.standing.approval.subject else {
            return Ok(());
        };
        let found = self
            .inventory
            .patch_get(&self.system(tenant), PatchGet { id: patch })
            .await?;
        let rules = self.rulebook(tenant).await?;
        let Some(content) = self.content(tenant, patch, group).await? else {
            return Err(ServiceError::not_found("patch"));
        };
        let outcome = decided(
            &rules.cover(group),
            &rules.blocked,
            &found,
            Some(&content),
            self.clock.now(),
        );
        if outcome.decision == Decision::Block {
            return Err(ServiceError::invalid_state(outcome.sentence));
        }
        let Offer {
            items, obstacle, ..
        } = offer(&found, &content);
        if let Some(obstacle) = obstacle {
            return Err(ServiceError::invalid_state(obstacle));
        }
        if covered(items, &seen.standing.items) {
            return Ok(());
        }
        // Bind it to what is offered now, so that a second look shows that.
        self.evaluate_patch(tenant, patch).await?;
        Err(content_changed())
    }

    async fn asked_patch(
        &self,
        ctx: &RequestContext,
        tenant: TenantId,
        patch: PatchId,
        group: Option<GroupId>,
        required: u32,
    ) -> ServiceResult<Stored> {
        let found = self
            .inventory
            .patch_get(&self.system(tenant), PatchGet { id: patch })
            .await?;
        let rules = self.rulebook(tenant).await?;
        let content = self
            .content(tenant, patch, group)
            .await?
            .ok_or_else(|| ServiceError::not_found("patch"))?;
        let mut outcome = decided(
            &rules.cover(group),
            &rules.blocked,
            &found,
            Some(&content),
            self.clock.now(),
        );
        let tx = self.database.read(&self.system(tenant)).await?;
        if store::approval::is_banned(&tx, tenant, patch).await? {
            outcome = banned(&found);
        }
        tx.rollback().await?;
        if outcome.decision == Decision::Block {
            return Err(ServiceError::invalid_state(outcome.sentence));
        }
        let offer = offer(&found, &content);
        let nobody = || "no host of the group needs it".to_owned();
        if let Some(obstacle) = offer
            .obstacle
            .clone()
            .or_else(|| offer.items.is_empty().then(nobody))
        {
            return Err(ServiceError::invalid_state(obstacle));
        }
        let by_rule = if let Decision::RequireApprovals { count } = outcome.decision {
            count
        } else {
            1
        };
        let request = ApprovalRequest {
            subject: Subject::Patch { patch, group },
            required: required.max(by_rule),
        };
        let mut asked = self.asked(ctx, tenant, request, rules.title(&found, group));
        asked.standing.approval.policy = asking_policy(&rules, group);
        asked.standing.approval.content_digest = Some(offer.digest);
        asked.standing.items = content.items;
        Ok(asked)
    }

    pub(super) fn asked(
        &self,
        ctx: &RequestContext,
        tenant: TenantId,
        request: ApprovalRequest,
        title: String,
    ) -> Stored {
        let now = self.clock.now();
        let approval = Approval {
            id: ApprovalId::new(now),
            tenant,
            subject: request.subject,
            status: ApprovalStatus::Awaiting,
            policy: None,
            rule: None,
            automatic: false,
            requested_by: ctx.actor.clone(),
            requested_at: now,
            required: request.required,
            decisions: Vec::new(),
            content_digest: None,
            expires_at: None,
            logged: false,
            title,
        };
        Stored {
            standing: Standing {
                approval,
                items: Vec::new(),
            },
            envelope: None,
        }
    }
}

fn content_changed() -> ServiceError {
    ServiceError::invalid_state(
        "what would be installed has changed since this was asked; look at it again, then decide",
    )
}

/// Reads `<0 if it waits>:<id>`.
fn read_cursor(text: &str) -> ServiceResult<(i16, uuid::Uuid)> {
    text.split_once(':')
        .and_then(|(waiting, id)| Some((waiting.parse().ok()?, id.parse().ok()?)))
        .ok_or_else(|| ServiceError::invalid("after", "this cursor is not of this list"))
}
