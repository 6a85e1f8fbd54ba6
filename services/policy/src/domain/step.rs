//! What is to be done about what stands: compares it with what the policies say now and with the content that hosts
//! offer now.
//!
//! Invariants: a person's no stays a no; an approval covers the content list that was seen and anything less, never
//! anything else; what a rule approved falls with the rule; a block ends everything but a no.

use crate::domain::content::covered;
use crate::domain::decide::Outcome;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::ContentItem;
use netpatch_policy_api::{Approval, ApprovalStatus, Decision};
use netpatch_types::{ActorKind, Sha256};

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
pub(crate) fn over(approval: &Approval, now: DateTime<Utc>) -> bool {
    approval.expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::vote;
    use crate::domain::fixture::{item, now, person, standing};
    use chrono::Duration;
    use netpatch_policy_api::Verdict;

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
