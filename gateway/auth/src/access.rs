//! Roles and what they may do (the table in `infra/docs/permissions.md`).

use netpatch_types::Permission::{self, *};
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
