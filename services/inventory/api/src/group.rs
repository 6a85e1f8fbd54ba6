//! Groups: named sets of hosts by selector.

use netpatch_types::{GroupId, Selector, TenantId};
use serde::{Deserialize, Serialize};

/// A named set of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Id.
    pub id: GroupId,
    /// Whose.
    pub tenant: TenantId,
    /// Name, unique in the organization.
    pub name: String,
    /// Which hosts.
    pub selector: Selector,
}

/// A new group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCreate {
    /// 1–80 characters.
    pub name: String,
    /// Which hosts.
    pub selector: Selector,
}

/// All groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupList {}
