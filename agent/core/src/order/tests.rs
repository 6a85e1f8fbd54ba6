use super::*;
use crate::decide::Lease;
use crate::lease::{DeploymentWord, open_freshness, open_halt};
use netpatch_proof::{Ed25519Signer, Signer as _};
use netpatch_protocol::document::{Approval, Content, Freshness, Halt, RoleKey, Target, Window};
use netpatch_protocol::seal;
use uuid::Uuid;

const ORGANIZATION: Uuid = Uuid::from_u128(1);
const HOST: Uuid = Uuid::from_u128(2);
const DEPLOYMENT: Uuid = Uuid::from_u128(3);

fn key(seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_secret(&[seed; 32])
}

fn role(role: &str, seed: u8) -> RoleKey {
    RoleKey {
        role: role.into(),
        public_key: key(seed).public_key().as_bytes().to_vec(),
    }
}

fn root() -> Root {
    Root {
        version: 1,
        organization_id: ORGANIZATION.to_string(),
        keys: vec![role("root", 1), role("director", 2), role("approval", 3)],
        director_threshold: 1,
        approval_threshold: 1,
        root_threshold: 1,
        ..Root::default()
    }
}

fn trust() -> Trust {
    Trust::new(OrganizationId(ORGANIZATION), HostId(HOST), &root())
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

fn membership() -> Membership {
    Membership {
        organization_id: ORGANIZATION.to_string(),
        host_id: HOST.to_string(),
        ring: "canary".into(),
        groups: vec!["g".into()],
        version: 1,
        ..Membership::default()
    }
}

fn items() -> Vec<document::ContentItem> {
    let item = |name: &str, patch: &str| document::ContentItem {
        name: name.into(),
        arch: "all".into(),
        version: "2".into(),
        fixed_version: "2".into(),
        sha256: vec![7; 32],
        size_bytes: 1,
        patch_id: patch.into(),
        ..document::ContentItem::default()
    };
    vec![
        item("a", "patch_1"),
        item("b", "patch_1"),
        item("c", "patch_2"),
    ]
}

fn approval(patch: &str, items: &[document::ContentItem]) -> Approval {
    let covered = items
        .iter()
        .filter(|item| item.patch_id == patch)
        .cloned()
        .collect();
    Approval {
        organization_id: ORGANIZATION.to_string(),
        content_digest: content_digest(&Content { items: covered }).0.to_vec(),
        patch_id: patch.into(),
        group_id: "g".into(),
        decision: "approve".into(),
        ..Approval::default()
    }
}

fn order() -> document::Order {
    let approvals = ["patch_1", "patch_2"]
        .map(|patch| seal(&approval(patch, &items()), &[&key(3)]).expect("seals"));
    document::Order {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        wave_id: Uuid::from_u128(4).to_string(),
        sequence: 5,
        content: Some(Content { items: items() }),
        target: Some(Target {
            group_id: "g".into(),
            ring: "canary".into(),
            low: 0,
            high: 0,
        }),
        not_before_ms: now().timestamp_millis(),
        not_after_ms: (now() + Duration::hours(4)).timestamp_millis(),
        lease_seconds: 900,
        approvals: approvals.to_vec(),
        ..document::Order::default()
    }
}

fn judged(order: &document::Order) -> Result<Order, Refusal> {
    let membership = membership();
    let standing = Standing {
        membership: Some(&membership),
        highest_sequence: None,
        audit_only: false,
        now: now(),
    };
    accept(
        &seal(order, &[&key(2)]).expect("seals"),
        &trust(),
        &standing,
    )
    .map_err(|refused| refused.refusal)
}

#[test]
fn a_good_order_is_accepted_and_survives_the_journal() {
    let accepted = judged(&order()).expect("accepted");
    assert_eq!((accepted.sequence, accepted.content.len()), (5, 3));
    let envelope = seal(&order(), &[&key(2)]).expect("seals");
    assert_eq!(
        reread(&envelope).expect("readable").digest,
        envelope.digest()
    );
}

#[test]
fn every_forgery_has_its_refusal() {
    let refused = |change: &dyn Fn(&mut document::Order), expected: Refusal| {
        let mut changed = order();
        change(&mut changed);
        assert_eq!(judged(&changed).expect_err("refused"), expected);
    };
    refused(
        &|order| order.organization_id = Uuid::from_u128(9).to_string(),
        Refusal::NotInCohort,
    );
    refused(&|order| order.epoch = 1, Refusal::Signature);
    refused(
        &|order| order.not_after_ms = now().timestamp_millis(),
        Refusal::OrderExpired,
    );
    refused(&|order| order.target = None, Refusal::NotInCohort);
    refused(
        &|order| order.target.as_mut().expect("target").ring = "broad".into(),
        Refusal::NotInCohort,
    );
    refused(
        &|order| order.target.as_mut().expect("target").group_id = "other".into(),
        Refusal::NotInCohort,
    );
    refused(&|order| order.approvals.clear(), Refusal::Signature);
    refused(&|order| drop(order.approvals.pop()), Refusal::Signature);
    refused(&|order| order.content = None, Refusal::Signature);
    refused(
        &|order| order.content.as_mut().expect("content").items[0].version = "3".into(),
        Refusal::Signature,
    );
    refused(
        &|order| {
            order.content.as_mut().expect("content").items[0]
                .sha256
                .clear()
        },
        Refusal::Signature,
    );
    refused(
        &|order| order.deployment_id = "x".into(),
        Refusal::Signature,
    );
    refused(
        &|order| {
            order.window = Some(Window {
                time_zone: "Mars/North".into(),
                ..Window::default()
            })
        },
        Refusal::Signature,
    );
    let position = netpatch_protocol::target::position(DeploymentId(DEPLOYMENT), HostId(HOST));
    refused(
        &|order| order.target.as_mut().expect("target").low = position + 1,
        Refusal::NotInCohort,
    );
    refused(
        &|order| order.target.as_mut().expect("target").high = position,
        Refusal::NotInCohort,
    );
}

#[test]
fn an_approval_counts_only_for_its_patch_group_ring_and_time() {
    let with = |change: &dyn Fn(&mut Approval), signer: u8| {
        let mut changed = order();
        let mut second = approval("patch_2", &items());
        change(&mut second);
        changed.approvals[1] = seal(&second, &[&key(signer)]).expect("seals");
        judged(&changed).map(drop)
    };
    assert_eq!(with(&|_| {}, 3), Ok(()));
    assert_eq!(
        with(&|_| {}, 2),
        Err(Refusal::Signature),
        "the director cannot approve"
    );
    assert_eq!(
        with(&|one| one.decision = "decline".into(), 3),
        Err(Refusal::Signature)
    );
    assert_eq!(
        with(&|one| one.patch_id = "patch_1".into(), 3),
        Err(Refusal::Signature)
    );
    assert_eq!(
        with(&|one| one.group_id = "other".into(), 3),
        Err(Refusal::Signature)
    );
    assert_eq!(
        with(&|one| one.ring = "broad".into(), 3),
        Err(Refusal::Signature)
    );
    assert_eq!(
        with(&|one| one.expires_at_ms = now().timestamp_millis(), 3),
        Err(Refusal::Signature)
    );
    assert_eq!(
        with(
            &|one| one.organization_id = Uuid::from_u128(9).to_string(),
            3
        ),
        Err(Refusal::Signature)
    );
}

#[test]
fn who_signs_and_what_was_taken_before_decide_too() {
    let membership = membership();
    let standing = Standing {
        membership: Some(&membership),
        highest_sequence: None,
        audit_only: false,
        now: now(),
    };
    let envelope = seal(&order(), &[&key(2)]).expect("seals");
    let refusal = |envelope: &Envelope, standing: &Standing<'_>| {
        accept(envelope, &trust(), standing)
            .expect_err("refused")
            .refusal
    };
    assert_eq!(
        refusal(&seal(&order(), &[&key(3)]).expect("seals"), &standing),
        Refusal::Signature
    );
    let mut changed = envelope.clone();
    changed.payload[3] ^= 1;
    assert_eq!(refusal(&changed, &standing), Refusal::Signature);
    for highest in [5, 6] {
        assert_eq!(
            refusal(
                &envelope,
                &Standing {
                    highest_sequence: Some(highest),
                    ..standing
                }
            ),
            Refusal::Replay
        );
    }
    assert_eq!(
        refusal(
            &envelope,
            &Standing {
                audit_only: true,
                ..standing
            }
        ),
        Refusal::AuditOnly
    );
    assert_eq!(
        refusal(
            &envelope,
            &Standing {
                membership: None,
                ..standing
            }
        ),
        Refusal::NotInCohort
    );
    let expired = Membership {
        expires_at_ms: now().timestamp_millis(),
        ..membership.clone()
    };
    assert_eq!(
        refusal(
            &envelope,
            &Standing {
                membership: Some(&expired),
                ..standing
            }
        ),
        Refusal::NotInCohort
    );
    let auditing = Membership {
        audit_only: true,
        ..membership.clone()
    };
    assert_eq!(
        refusal(
            &envelope,
            &Standing {
                membership: Some(&auditing),
                ..standing
            }
        ),
        Refusal::AuditOnly
    );
    let huge = Envelope {
        payload: vec![0; MAX_ORDER_BYTES + 1],
        ..envelope.clone()
    };
    assert_eq!(refusal(&huge, &standing), Refusal::Signature);
}

#[test]
fn membership_and_root_only_grow() {
    let envelope = seal(&membership(), &[&key(3)]).expect("seals");
    assert!(trust().membership(&envelope, 0).is_ok());
    assert_eq!(
        trust().membership(&envelope, 1).expect_err("old").refusal,
        Refusal::Replay
    );
    let other = Membership {
        host_id: Uuid::from_u128(9).to_string(),
        ..membership()
    };
    let envelope = seal(&other, &[&key(3)]).expect("seals");
    assert_eq!(
        trust()
            .membership(&envelope, 0)
            .expect_err("another's")
            .refusal,
        Refusal::NotInCohort
    );

    let first = open_root(&seal(&root(), &[&key(1)]).expect("seals"), None).expect("self-signed");
    assert!(open_root(&seal(&root(), &[&key(2)]).expect("seals"), None).is_err());
    let second = Root {
        version: 2,
        keys: vec![role("root", 9)],
        ..root()
    };
    assert!(
        open_root(&seal(&second, &[&key(9)]).expect("seals"), Some(&first)).is_err(),
        "the old keys must sign too"
    );
    assert!(
        open_root(
            &seal(&second, &[&key(1), &key(9)]).expect("seals"),
            Some(&first)
        )
        .is_ok()
    );
    assert_eq!(
        open_root(&seal(&root(), &[&key(1)]).expect("seals"), Some(&first))
            .expect_err("old")
            .refusal,
        Refusal::Replay
    );
}

#[test]
fn the_lease_runs_out_and_a_halt_wins() {
    let accepted = judged(&order()).expect("accepted");
    let freshness = |sequence: u64, running: bool, age_s: i64| Freshness {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        sequence,
        running,
        at_ms: (now() - Duration::seconds(age_s)).timestamp_millis(),
    };
    let lease = |statement: Freshness| {
        let mut word = DeploymentWord::default();
        word.take_freshness(statement);
        word.lease(&accepted, now())
    };
    assert_eq!(
        DeploymentWord::default().lease(&accepted, now()),
        Lease::Stale
    );
    assert_eq!(lease(freshness(5, true, 0)), Lease::Fresh);
    assert_eq!(lease(freshness(1, true, 899)), Lease::Fresh);
    assert_eq!(lease(freshness(5, true, 900)), Lease::Stale);
    assert_eq!(
        lease(freshness(5, true, -600)),
        Lease::Stale,
        "from the future"
    );
    assert_eq!(lease(freshness(5, false, 0)), Lease::Stale, "paused");
    assert_eq!(
        lease(freshness(6, true, 0)),
        Lease::Halted,
        "a newer order took its place"
    );

    let halt = Halt {
        organization_id: ORGANIZATION.to_string(),
        deployment_id: DEPLOYMENT.to_string(),
        sequence: 5,
        ..Halt::default()
    };
    let mut word = DeploymentWord::default();
    word.take_freshness(freshness(5, true, 0));
    word.take_halt(&open_halt(&seal(&halt, &[&key(2)]).expect("seals"), &trust()).expect("opens"));
    word.take_freshness(freshness(5, true, -1));
    assert_eq!(word.lease(&accepted, now()), Lease::Halted);
    let forged = seal(&freshness(5, true, 0), &[&key(3)]).expect("seals");
    assert!(open_freshness(&forged, &trust()).is_err());
}

#[test]
fn the_window_is_read_in_the_hosts_zone() {
    let mut windowed = order();
    windowed.not_after_ms = (now() + Duration::days(3)).timestamp_millis();
    windowed.window = Some(Window {
        rrule: "FREQ=DAILY".into(),
        starts_at: "2027-01-01T02:00:00".into(),
        duration_seconds: 3600,
        ..Window::default()
    });
    let accepted = judged(&windowed).expect("accepted");
    let berlin = host_zone(Some(&membership()), "Europe/Berlin");
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
    // 2027-01-15: Berlin is UTC+1.
    assert_eq!(
        accepted.window_now(berlin, at("2027-01-15T01:30:00Z")),
        Ok(WindowNow::Open {
            until: at("2027-01-15T02:00:00Z")
        })
    );
    assert_eq!(
        accepted.window_now(berlin, at("2027-01-15T02:00:00Z")),
        Ok(WindowNow::Closed {
            opens: Some(at("2027-01-16T01:00:00Z"))
        })
    );
    assert_eq!(
        accepted.window_now(berlin, at("2027-01-18T02:00:00Z")),
        Ok(WindowNow::Closed { opens: None })
    );
    assert_eq!(host_zone(None, "nowhere"), Tz::UTC);
}
