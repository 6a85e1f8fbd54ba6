//! Roles and what they may do (the table in `infra/docs/permissions.md`).

use netpatch_types::Permission::{self, *};
use netpatch_types::{ActorKind, RequestContext, ServiceError, ServiceResult, SiteId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A person's role in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Owner,
    /// Technician L1: looks, scans, stops.
    Technician,
    /// Patch administrator L2: plans, approves what others asked for.
    PatchAdmin,
    /// Change advisory board: decides.
    Approver,
    /// One site's person.
    SiteOperator,
    /// Reads everything, writes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Technician,
        Self::PatchAdmin,
        Self::Approver,
        Self::SiteOperator,
        Self::Auditor,
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Technician => "technician",
            Self::PatchAdmin => "patch_admin",
            Self::Approver => "approver",
            Self::SiteOperator => "site_operator",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the word of [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What the role may do. Stopping is easier than starting: whoever sees a rollout may stop it.
    #[must_use]
    pub fn permissions(self) -> BTreeSet<Permission> {
        let rights: &[Permission] = match self {
            Self::Owner => &Permission::ALL,
            Self::Technician => &[Read, Scan, Stop, Enrol, Report],
            Self::PatchAdmin => &[
                Read,
                Scan,
                Deploy,
                Stop,
                Resume,
                Approve,
                PolicyWrite,
                Enrol,
                Report,
                LedgerRead,
                AssetWrite,
            ],
            Self::Approver => &[Read, Stop, Approve, Report, LedgerRead],
            Self::SiteOperator => &[Read, Scan, Stop, Enrol],
            Self::Auditor => &[Read, Report, LedgerRead],
        };
        rights.iter().copied().collect()
    }
}

/// The union of some roles' rights.
pub(crate) fn permissions_of(roles: &[Role]) -> BTreeSet<Permission> {
    roles.iter().flat_map(|role| role.permissions()).collect()
}

/// An administrator whose rights reach the whole organization, not only some sites.
pub(crate) fn require_admin(ctx: &RequestContext) -> ServiceResult<()> {
    ctx.require(Admin)?;
    if ctx.sites.is_some() {
        return Err(ServiceError::forbidden(
            "your rights end at your sites; ask an administrator of the organization",
        ));
    }
    Ok(())
}

/// As [`require_admin`], and a person: a program that made people or decided about partners would approve by proxy.
pub(crate) fn require_admin_person(ctx: &RequestContext) -> ServiceResult<()> {
    require_admin(ctx)?;
    match ctx.actor.kind {
        ActorKind::User | ActorKind::System => Ok(()),
        _ => Err(ServiceError::forbidden(
            "only a person may do this, not an API client",
        )),
    }
}

/// Whether the request reaches a site.
pub(crate) fn reaches(ctx: &RequestContext, site: SiteId) -> bool {
    ctx.sites
        .as_ref()
        .is_none_or(|allowed| allowed.contains(&site))
}

/// The organizations that the request may read, for `tenant_id = any($1)`: row-level security says the same, once more.
pub(crate) fn readable(ctx: &RequestContext) -> sea_orm::Value {
    let ids: Vec<uuid::Uuid> = ctx.read.iter().map(|tenant| tenant.0).collect();
    ids.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_changes_nothing_and_everybody_who_deploys_may_stop() {
        let writes = [
            Scan,
            Deploy,
            Stop,
            Resume,
            Approve,
            PolicyWrite,
            Enrol,
            AssetWrite,
            Admin,
        ];
        assert!(
            writes
                .iter()
                .all(|right| !Role::Auditor.permissions().contains(right))
        );
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.as_str()), Some(role));
            assert!(!role.permissions().contains(&Deploy) || role.permissions().contains(&Stop));
        }
    }
}
