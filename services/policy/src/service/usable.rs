//! Which patches may go to a group now, and what the others lack. The scheduler asks before it plans.

use super::rulebook::{decided, offer};
use super::{PolicyService, one_organization};
use crate::domain::approval::word;
use crate::domain::decide::Cover;
use crate::store;
use netpatch_inventory_api::PatchGet;
use netpatch_policy_api::*;
use netpatch_types::{
    ErrorCode, GroupId, PatchId, Permission, RequestContext, ServiceError, ServiceResult, TenantId,
};

/// Patches asked about at once.
const MAX_PATCHES: usize = 1_000;

impl PolicyService {
    pub(super) async fn usable(
        &self,
        ctx: &RequestContext,
        request: ApprovalUsable,
    ) -> ServiceResult<Usable> {
        ctx.require(Permission::Read)?;
        let tenant = one_organization(ctx)?;
        if request.patches.len() > MAX_PATCHES {
            return Err(ServiceError::invalid(
                "patches",
                format!(
                    "{} patches are more than {MAX_PATCHES}",
                    request.patches.len()
                ),
            ));
        }
        let rules = self.rulebook(tenant).await?;
        let cover = rules.cover(request.group);
        let mut usable = Usable::default();
        for patch in request.patches {
            match self
                .usable_one(tenant, &cover, &rules.blocked, patch, request.group)
                .await?
            {
                Ok(approval) => usable.approved.push(approval),
                Err(missing) => usable.missing.push(missing),
            }
        }
        Ok(usable)
    }

    async fn usable_one(
        &self,
        tenant: TenantId,
        cover: &Cover<'_>,
        blocked: &[BlockEntry],
        id: PatchId,
        group: Option<GroupId>,
    ) -> ServiceResult<Result<SignedApproval, Missing>> {
        let ctx = self.system(tenant);
        let tx = self.database.read(&ctx).await?;
        let stored =
            store::approval::standing(&tx, tenant, Subject::Patch { patch: id, group }).await?;
        let is_banned = store::approval::is_banned(&tx, tenant, id).await?;
        tx.rollback().await?;
        let approval = stored.as_ref().map(|stored| stored.standing.approval.id);
        let missing = |reason: String| {
            Ok(Err(Missing {
                patch: id,
                approval,
                reason,
            }))
        };
        let patch = match self.inventory.patch_get(&ctx, PatchGet { id }).await {
            Ok(patch) => patch,
            Err(error) if error.code == ErrorCode::NotFound => {
                return missing("the patch is not known here".to_owned());
            }
            Err(error) => return Err(error),
        };
        let Some(content) = self.content(tenant, id, group).await? else {
            return missing("the group is not known here".to_owned());
        };
        let outcome = decided(cover, blocked, &patch, Some(&content), self.clock.now());
        if is_banned {
            return missing("a person banned it".to_owned());
        }
        if outcome.decision == Decision::Block {
            return missing(outcome.sentence);
        }
        let offer = offer(&patch, &content);
        if let Some(obstacle) = offer.obstacle {
            return missing(obstacle);
        }
        let Some(stored) = stored else {
            return missing(format!("nobody has decided; {}", outcome.sentence));
        };
        let found = &stored.standing.approval;
        if found.status != ApprovalStatus::Approved {
            return missing(format!("the approval is {}", word(found.status)));
        }
        if found.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return missing("the approval has expired".to_owned());
        }
        if found.content_digest != Some(offer.digest) {
            return missing(
                "what would be installed differs from what was approved; it is being decided anew"
                    .to_owned(),
            );
        }
        if !found.logged {
            return missing("the approval does not stand in the ledger yet".to_owned());
        }
        let envelope = stored.envelope.ok_or_else(ServiceError::internal)?;
        Ok(Ok(SignedApproval {
            id: found.id,
            patch: id,
            content_digest: offer.digest,
            envelope,
        }))
    }
}
