//! Approvals and people for the tests of this folder.

use crate::domain::step::Standing;
use chrono::{DateTime, Utc};
use netpatch_inventory_api::ContentItem;
use netpatch_policy_api::{Approval, ApprovalStatus, Subject};
use netpatch_types::{Actor, ActorKind, ApprovalId, OrganizationId, PatchId, Sha256, TenantId};
use uuid::Uuid;

pub(crate) fn now() -> DateTime<Utc> {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

pub(crate) fn person(number: u128) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: Uuid::from_u128(number),
        home: OrganizationId(Uuid::nil()),
        display: format!("person {number}"),
        delegation: None,
    }
}

pub(crate) fn item(name: &str) -> ContentItem {
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

pub(crate) fn approval(status: ApprovalStatus, required: u32, by: Actor) -> Approval {
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

pub(crate) fn standing(status: ApprovalStatus, automatic: bool) -> Standing {
    let approval = Approval {
        automatic,
        ..approval(status, 1, person(1))
    };
    Standing {
        approval,
        items: vec![item("a"), item("b")],
    }
}
