//! How approvals begin, narrow and end: rows, signatures and the events that the ledger keeps.

use super::PolicyService;
use crate::domain::approval::VALID_DAYS;
use crate::domain::content;
use crate::domain::decide::Outcome;
use crate::domain::step::{Opening, Standing};
use crate::store::{self, approval::Stored};
use netpatch_inventory_api::PatchContent;
use netpatch_policy_api::*;
use netpatch_storage::TenantTx;
use netpatch_types::{Actor, ApprovalId, ServiceResult, TenantId};

impl PolicyService {
    /// A new approval before it is opened.
    pub(super) fn opened(
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
    pub(super) async fn open(
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
        by: Actor,
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
    pub(super) async fn narrow(
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
}
