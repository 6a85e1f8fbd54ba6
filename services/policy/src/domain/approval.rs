//! An approval as people move it: the vote, and the words of its states. What the rules do stands in [`super::step`].
//!
//! Invariants: only people vote; whoever asked does not approve; n approvals come from n people; a no ends it, also after
//! a yes.

use chrono::{DateTime, Duration, Utc};
use netpatch_policy_api::{Approval, ApprovalStatus, DecisionRecord, Verdict};
use netpatch_types::{Actor, ActorKind, ErrorCode, ServiceError, ServiceResult};

/// How long an approval may be used.
pub(crate) const VALID_DAYS: i64 = 90;
/// How long a person's "not now" lasts.
pub(crate) const DEFERRED_DAYS: i64 = 7;

/// A person decides. Changes status, decisions and expiry, or says why not.
pub(crate) fn vote(
    approval: &mut Approval,
    by: &Actor,
    verdict: Verdict,
    reason: &str,
    now: DateTime<Utc>,
) -> ServiceResult<()> {
    if by.kind != ActorKind::User {
        return Err(ServiceError::forbidden("only people decide approvals"));
    }
    let reason = reason.trim();
    if !(3..=500).contains(&reason.chars().count()) {
        return Err(ServiceError::invalid(
            "reason",
            "write why, in 3 to 500 characters",
        ));
    }
    let refusing = matches!(verdict, Verdict::Decline | Verdict::Ban);
    match approval.status {
        ApprovalStatus::Awaiting | ApprovalStatus::Deferred => {}
        ApprovalStatus::Approved if refusing => {}
        status => {
            return Err(ServiceError::invalid_state(format!(
                "the approval is {} already",
                word(status)
            )));
        }
    }
    if verdict == Verdict::Approve {
        if approval.requested_by.kind == ActorKind::User && approval.requested_by.id == by.id {
            return Err(ServiceError::new(
                ErrorCode::SelfApproval,
                "you asked for this approval; another person must decide",
            ));
        }
        if approvers(approval).any(|record| record.by.id == by.id) {
            return Err(ServiceError::invalid_state(
                "you have approved this already; another person must too",
            ));
        }
    }
    approval.decisions.push(DecisionRecord {
        by: by.clone(),
        verdict,
        reason: reason.to_owned(),
        at: now,
    });
    match verdict {
        Verdict::Approve => {
            let enough = approvers(approval).count()
                >= usize::try_from(approval.required).unwrap_or(usize::MAX);
            approval.status = if enough {
                ApprovalStatus::Approved
            } else {
                ApprovalStatus::Awaiting
            };
            approval.expires_at = enough.then(|| now + Duration::days(VALID_DAYS));
            approval.automatic = false;
        }
        Verdict::Decline => approval.status = ApprovalStatus::Declined,
        Verdict::Ban => approval.status = ApprovalStatus::Banned,
        Verdict::Defer => {
            approval.status = ApprovalStatus::Deferred;
            approval.automatic = false;
            approval.expires_at = Some(now + Duration::days(DEFERRED_DAYS));
        }
    }
    if refusing {
        approval.expires_at = None;
    }
    Ok(())
}

fn approvers(approval: &Approval) -> impl Iterator<Item = &DecisionRecord> {
    approval
        .decisions
        .iter()
        .filter(|record| record.verdict == Verdict::Approve && record.by.kind == ActorKind::User)
}

/// The word for a person, and in the database.
#[must_use]
pub(crate) fn word(status: ApprovalStatus) -> &'static str {
    match status {
        ApprovalStatus::Awaiting => "awaiting",
        ApprovalStatus::Approved => "approved",
        ApprovalStatus::Declined => "declined",
        ApprovalStatus::Deferred => "deferred",
        ApprovalStatus::Banned => "banned",
        ApprovalStatus::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::{approval, now, person};

    #[test]
    fn two_different_people_must_approve_and_neither_asked() {
        let mut one = approval(ApprovalStatus::Awaiting, 2, person(1));
        let error = vote(&mut one, &person(1), Verdict::Approve, "looks fine", now()).unwrap_err();
        assert_eq!(error.code, ErrorCode::SelfApproval);
        vote(&mut one, &person(2), Verdict::Approve, "looks fine", now()).unwrap();
        assert_eq!(one.status, ApprovalStatus::Awaiting);
        let error = vote(&mut one, &person(2), Verdict::Approve, "again", now()).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidState);
        vote(&mut one, &person(3), Verdict::Approve, "me too", now()).unwrap();
        assert_eq!(one.status, ApprovalStatus::Approved);
        assert_eq!(one.expires_at, Some(now() + Duration::days(VALID_DAYS)));
    }

    #[test]
    fn programs_never_decide_and_a_reason_is_needed() {
        for kind in [
            ActorKind::ApiClient,
            ActorKind::Agent,
            ActorKind::Relay,
            ActorKind::System,
        ] {
            let mut one = approval(ApprovalStatus::Awaiting, 1, person(1));
            let by = Actor { kind, ..person(2) };
            assert_eq!(
                vote(&mut one, &by, Verdict::Approve, "because", now())
                    .unwrap_err()
                    .code,
                ErrorCode::Forbidden
            );
        }
        for reason in ["", "  a ", &"x".repeat(501)] {
            let mut one = approval(ApprovalStatus::Awaiting, 1, person(1));
            assert_eq!(
                vote(&mut one, &person(2), Verdict::Approve, reason, now())
                    .unwrap_err()
                    .path,
                ["reason"]
            );
        }
    }

    #[test]
    fn decided_is_decided_but_a_yes_can_be_withdrawn() {
        for status in [
            ApprovalStatus::Declined,
            ApprovalStatus::Banned,
            ApprovalStatus::Expired,
        ] {
            for verdict in [
                Verdict::Approve,
                Verdict::Decline,
                Verdict::Ban,
                Verdict::Defer,
            ] {
                let mut one = approval(status, 1, person(1));
                assert_eq!(
                    vote(&mut one, &person(2), verdict, "because", now())
                        .unwrap_err()
                        .code,
                    ErrorCode::InvalidState
                );
            }
        }
        let mut one = approval(ApprovalStatus::Approved, 1, person(1));
        assert!(vote(&mut one, &person(2), Verdict::Approve, "because", now()).is_err());
        vote(
            &mut one,
            &person(1),
            Verdict::Decline,
            "it broke the till",
            now(),
        )
        .unwrap();
        assert_eq!(one.status, ApprovalStatus::Declined);
    }
}
