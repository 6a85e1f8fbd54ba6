//! Who asks, for whom, until when. The first argument of every service call, never a task-local.

use crate::{OrganizationId, ServiceError, ServiceResult, SiteId, TenantId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What kind of principal acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    User,
    /// A program with client credentials. Never approves.
    ApiClient,
    /// A host's agent.
    Agent,
    /// A relay.
    Relay,
    /// The platform itself: jobs, rules.
    System,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The kind.
    pub kind: ActorKind,
    /// The principal's id; nil for the system.
    pub id: Uuid,
    /// The organization the principal belongs to; a partner's differs from the tenant acted in.
    pub home: OrganizationId,
    /// What a person reads: a user's name, a host's name, a job's name.
    pub display: String,
    /// The delegation by which a partner acts, if so.
    pub delegation: Option<Uuid>,
}

/// Rights, as in the table of `infra/docs`; an API client's scopes are the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Read hosts, findings, patches, deployments.
    Read,
    /// Scan now, retry a run.
    Scan,
    /// Create a deployment; plan it.
    Deploy,
    /// Pause, halt, cancel: the safe direction.
    Stop,
    /// Resume.
    Resume,
    /// Decide an approval.
    Approve,
    /// Write policies, windows, rings.
    PolicyWrite,
    /// Enrolment tokens; claim and replace relays.
    Enrol,
    /// Reports, export, webhooks.
    Report,
    /// Read the ledger.
    LedgerRead,
    /// Write what is known of assets: owner, department, criticality; import them.
    AssetWrite,
    /// Organizations, sites, users, grants, delegations.
    Admin,
}

impl Permission {
    /// Every right.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Scan,
        Self::Deploy,
        Self::Stop,
        Self::Resume,
        Self::Approve,
        Self::PolicyWrite,
        Self::Enrol,
        Self::Report,
        Self::LedgerRead,
        Self::AssetWrite,
        Self::Admin,
    ];
}

/// Who asks, for whom, until when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestContext {
    /// Organizations that may be read.
    pub read: Vec<TenantId>,
    /// The one organization that may be written; `None` for a read over several.
    pub write: Option<TenantId>,
    /// Only these sites, if the grant is narrower than the organization.
    pub sites: Option<Vec<SiteId>>,
    /// Who acts.
    pub actor: Actor,
    /// What the actor may do here.
    pub permissions: BTreeSet<Permission>,
    /// Names this request in logs and in answers.
    pub request_id: Uuid,
    /// W3C trace context, if traced.
    pub traceparent: Option<String>,
    /// Nobody waits for an answer after this.
    pub deadline: DateTime<Utc>,
}

impl RequestContext {
    /// The platform acting in one organization: jobs, the edge.
    #[must_use]
    pub fn system(tenant: TenantId, name: &str, now: DateTime<Utc>) -> Self {
        Self {
            read: vec![tenant],
            write: Some(tenant),
            sites: None,
            actor: Actor {
                kind: ActorKind::System,
                id: Uuid::nil(),
                home: tenant,
                display: name.to_owned(),
                delegation: None,
            },
            permissions: Permission::ALL.into_iter().collect(),
            request_id: crate::id::uuid_v7(now),
            traceparent: None,
            deadline: now + chrono::Duration::seconds(30),
        }
    }

    /// The organization to write to.
    pub fn tenant(&self) -> ServiceResult<TenantId> {
        self.write.ok_or_else(|| {
            ServiceError::invalid("organizationId", "a change names exactly one organization")
        })
    }

    /// Whether the actor has a right.
    #[must_use]
    pub fn can(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }

    /// An error unless the actor has a right.
    pub fn require(&self, permission: Permission) -> ServiceResult<()> {
        if self.can(permission) {
            Ok(())
        } else {
            Err(ServiceError::forbidden(format!(
                "you need the right {permission:?} for this"
            )))
        }
    }
}
