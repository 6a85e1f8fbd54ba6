//! All transitions of an approval, in one place.
//!
//! A person moves it with [`vote`]; the rules move it with [`step`], which compares what stands with what the policies
//! say now and with the content that hosts offer now. Invariants: a person's no stays a no; an approval covers the
//! content list that was seen and anything less, never anything else; what a rule approved falls with the rule.

use crate::domain::content::covered;
use crate::domain::decide::Outcome;
use chrono::{DateTime, Duration, Utc};
use netpatch_inventory_api::ContentItem;
use netpatch_policy_api::{Approval, ApprovalStatus, Decision, DecisionRecord, Verdict};
use netpatch_types::{Actor, ActorKind, ErrorCode, ServiceError, ServiceResult, Sha256};

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

/// What hosts of the group offer now.
#[derive(Clone, Debug)]
pub(crate) struct Offer<'a> {
    /// Every binary; empty: no host needs the patch.
    pub items: &'a [ContentItem],
    /// Its name.
    pub digest: Sha256,
    /// Why the patch cannot go at all, whatever anybody says: hosts disagree, superseded.
    pub obstacle: Option<String>,
}

/// The approval that stands, with the list it covers.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The approval.
    pub approval: Approval,
    /// What it covers.
    pub items: Vec<ContentItem>,
}

/// How a new approval begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Opening {
    /// A rule approves.
    Approved,
    /// So many people must.
    Awaiting(u32),
    /// A rule puts off until then.
    Deferred(Option<DateTime<Utc>>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Nothing.
    Keep,
    /// The waiting approval is about this content and needs so many people now.
    Rebind(u32),
    /// The same decision over less content, under a new id and signature.
    Narrow,
    /// What stands ends, for this reason; what follows, if anything.
    Close(String, Option<Opening>),
    /// Nothing stands; this begins.
    Open(Opening),
}

/// Compares what stands with what the policies say.
#[must_use]
pub(crate) fn step(
    standing: Option<&Standing>,
    outcome: &Outcome,
    offer: &Offer<'_>,
    now: DateTime<Utc>,
) -> Step {
    let waiting = standing.is_some_and(|one| {
        matches!(
            one.approval.status,
            ApprovalStatus::Awaiting | ApprovalStatus::Deferred
        )
    });
    let obstacle = offer.obstacle.clone().or_else(|| {
        offer
            .items
            .is_empty()
            .then(|| "no host needs it any more".to_owned())
    });
    if let Some(obstacle) = obstacle {
        return if waiting || standing.is_some_and(|one| over(&one.approval, now)) {
            Step::Close(obstacle, None)
        } else {
            Step::Keep
        };
    }
    let opening = match outcome.decision {
        Decision::Approve => Some(Opening::Approved),
        Decision::RequireApprovals { count } => Some(Opening::Awaiting(count)),
        Decision::Defer { .. } => Some(Opening::Deferred(outcome.again_at)),
        Decision::Block => None,
    };
    let Some(standing) = standing else {
        return opening.map_or(Step::Keep, Step::Open);
    };
    let approval = &standing.approval;
    let same = approval.content_digest == Some(offer.digest);
    let close = |reason: &str| Step::Close(reason.to_owned(), opening.clone());
    match (approval.status, &opening) {
        (ApprovalStatus::Declined | ApprovalStatus::Banned, _) => Step::Keep,
        (_, None) => Step::Close(outcome.sentence.clone(), None),
        (ApprovalStatus::Approved | ApprovalStatus::Deferred, _) if over(approval, now) => {
            close("its time is over")
        }
        (ApprovalStatus::Deferred, Some(Opening::Deferred(_))) => Step::Keep,
        (ApprovalStatus::Deferred, _) if !approval.automatic => Step::Keep,
        (ApprovalStatus::Deferred, _) => close("the rule puts it off no longer"),
        (ApprovalStatus::Awaiting, Some(Opening::Awaiting(count))) => {
            let asked_by_person = approval.requested_by.kind == ActorKind::User;
            let required = if asked_by_person {
                approval.required.max(*count)
            } else {
                *count
            };
            if same && required == approval.required {
                Step::Keep
            } else if approval.decisions.is_empty() || covered(offer.items, &standing.items) {
                Step::Rebind(required)
            } else {
                close("the content changed")
            }
        }
        (ApprovalStatus::Awaiting, Some(Opening::Deferred(_)))
            if approval.requested_by.kind == ActorKind::User =>
        {
            Step::Keep
        }
        (ApprovalStatus::Awaiting, _) => close("a rule decides it now"),
        (ApprovalStatus::Approved, Some(opened)) => {
            if approval.automatic && *opened != Opening::Approved {
                close("the rule that approved it does so no longer")
            } else if same {
                Step::Keep
            } else if covered(offer.items, &standing.items) {
                Step::Narrow
            } else {
                close("the content changed")
            }
        }
        (ApprovalStatus::Expired, _) => close("it had ended"),
    }
}

/// Whether its time has come to an end.
fn over(approval: &Approval, now: DateTime<Utc>) -> bool {
    approval.expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_policy_api::Subject;
    use netpatch_types::{ApprovalId, OrganizationId, PatchId, TenantId};
    use uuid::Uuid;

    fn now() -> DateTime<Utc> {
        "2026-11-21T00:00:00Z".parse().unwrap()
    }

    fn person(number: u128) -> Actor {
        Actor {
            kind: ActorKind::User,
            id: Uuid::from_u128(number),
            home: OrganizationId(Uuid::nil()),
            display: format!("person {number}"),
            delegation: None,
        }
    }

    fn item(name: &str) -> ContentItem {
        ContentItem {
            name: name.into(),
            arch: "amd64".into(),
            version: "2".into(),
            fixed_version: "2".into(),
            sha256: Some(Sha256::of(name.as_bytes())),
            size_bytes: 1,
            remove: false,
            dependency: false,
        }
    }

    fn approval(status: ApprovalStatus, required: u32, by: Actor) -> Approval {
        Approval {
            id: ApprovalId::new(now()),
            tenant: TenantId::new(now()),
            subject: Subject::Patch {
                patch: PatchId::of("deb", "x"),
                group: None,
            },
            status,
            policy: None,
            rule: None,
            automatic: false,
            requested_by: by,
            requested_at: now(),
            required,
            decisions: vec![],
            content_digest: Some(Sha256::of(b"ab")),
            expires_at: None,
            logged: false,
            title: "x".into(),
        }
    }

    fn standing(status: ApprovalStatus, automatic: bool) -> Standing {
        let approval = Approval {
            automatic,
            ..approval(status, 1, person(1))
        };
        Standing {
            approval,
            items: vec![item("a"), item("b")],
        }
    }

    fn outcome(decision: Decision) -> Outcome {
        Outcome {
            decision,
            policy: None,
            rule: None,
            again_at: None,
            sentence: "said so".into(),
        }
    }

    fn stepped(standing: Option<&Standing>, decision: Decision, names: &[&str]) -> Step {
        let items: Vec<_> = names.iter().map(|name| item(name)).collect();
        let offer = Offer {
            items: &items,
            digest: Sha256::of(names.concat().as_bytes()),
            obstacle: None,
        };
        step(standing, &outcome(decision), &offer, now())
    }

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

    #[test]
    fn nothing_stands_and_the_rule_decides() {
        assert_eq!(
            stepped(None, Decision::Approve, &["a"]),
            Step::Open(Opening::Approved)
        );
        assert_eq!(
            stepped(None, Decision::RequireApprovals { count: 2 }, &["a"]),
            Step::Open(Opening::Awaiting(2))
        );
        assert_eq!(stepped(None, Decision::Block, &["a"]), Step::Keep);
        assert_eq!(stepped(None, Decision::Approve, &[]), Step::Keep);
    }

    #[test]
    fn a_persons_no_stays_a_no() {
        for status in [ApprovalStatus::Declined, ApprovalStatus::Banned] {
            assert_eq!(
                stepped(Some(&standing(status, false)), Decision::Approve, &["c"]),
                Step::Keep
            );
        }
    }

    #[test]
    fn less_content_is_covered_and_other_content_is_not() {
        for automatic in [true, false] {
            let approved = standing(ApprovalStatus::Approved, automatic);
            assert_eq!(
                stepped(Some(&approved), Decision::Approve, &["a", "b"]),
                Step::Keep
            );
            assert_eq!(
                stepped(Some(&approved), Decision::Approve, &["a"]),
                Step::Narrow
            );
            assert_eq!(
                stepped(Some(&approved), Decision::Approve, &["a", "c"]),
                Step::Close("the content changed".into(), Some(Opening::Approved))
            );
            assert_eq!(stepped(Some(&approved), Decision::Approve, &[]), Step::Keep);
        }
        let person = standing(ApprovalStatus::Approved, false);
        assert_eq!(
            stepped(Some(&person), Decision::default(), &["a", "b"]),
            Step::Keep
        );
    }

    #[test]
    fn what_a_rule_approved_falls_with_the_rule_and_anything_falls_to_a_block() {
        let automatic = standing(ApprovalStatus::Approved, true);
        assert!(matches!(
            stepped(Some(&automatic), Decision::default(), &["a", "b"]),
            Step::Close(_, Some(Opening::Awaiting(1)))
        ));
        for status in [
            ApprovalStatus::Approved,
            ApprovalStatus::Awaiting,
            ApprovalStatus::Deferred,
        ] {
            assert!(matches!(
                stepped(Some(&standing(status, false)), Decision::Block, &["a", "b"]),
                Step::Close(_, None)
            ));
        }
    }

    #[test]
    fn a_waiting_one_follows_the_content_until_somebody_voted() {
        let mut waiting = standing(ApprovalStatus::Awaiting, false);
        assert_eq!(
            stepped(Some(&waiting), Decision::default(), &["a", "b"]),
            Step::Keep
        );
        assert_eq!(
            stepped(Some(&waiting), Decision::default(), &["c"]),
            Step::Rebind(1)
        );
        assert_eq!(
            stepped(
                Some(&waiting),
                Decision::RequireApprovals { count: 3 },
                &["a", "b"]
            ),
            Step::Rebind(3)
        );
        waiting.approval.required = 2;
        vote(
            &mut waiting.approval,
            &person(2),
            Verdict::Approve,
            "looks fine",
            now(),
        )
        .unwrap();
        assert_eq!(
            stepped(
                Some(&waiting),
                Decision::RequireApprovals { count: 2 },
                &["a"]
            ),
            Step::Rebind(2)
        );
        assert!(matches!(
            stepped(
                Some(&waiting),
                Decision::RequireApprovals { count: 2 },
                &["c"]
            ),
            Step::Close(_, Some(Opening::Awaiting(2)))
        ));
        assert!(matches!(
            stepped(Some(&waiting), Decision::Approve, &["a"]),
            Step::Close(_, Some(Opening::Approved))
        ));
        assert!(matches!(
            stepped(Some(&waiting), Decision::Approve, &[]),
            Step::Close(_, None)
        ));
    }

    #[test]
    fn a_deferral_ends_by_itself() {
        let mut deferred = standing(ApprovalStatus::Deferred, false);
        deferred.approval.expires_at = Some(now() + Duration::seconds(1));
        assert_eq!(
            stepped(Some(&deferred), Decision::Approve, &["a", "b"]),
            Step::Keep
        );
        deferred.approval.expires_at = Some(now());
        assert!(matches!(
            stepped(Some(&deferred), Decision::Approve, &["a", "b"]),
            Step::Close(_, Some(Opening::Approved))
        ));
    }
}
