//! Which hosts an order reaches. A host's position in a deployment is a hash, so waves are exact, disjoint ranges
//! and a late joiner falls into its range.

use crate::document::{Membership, Target};
use netpatch_types::{DeploymentId, HostId};
use sha2::Digest as _;

/// First 8 bytes, big-endian, of SHA-256(deployment UUID ‖ host UUID).
#[must_use]
pub fn position(deployment: DeploymentId, host: HostId) -> u64 {
    let mut hasher = sha2::Sha256::new();
    hasher.update(deployment.0.as_bytes());
    hasher.update(host.0.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut first = [0u8; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// Whether a position lies in `[low, high)`; `high` 0 means 2^64.
#[must_use]
pub fn in_range(position: u64, low: u64, high: u64) -> bool {
    position >= low && (high == 0 || position < high)
}

impl Target {
    /// Whether the target's range holds the host.
    #[must_use]
    pub fn holds(&self, deployment: DeploymentId, host: HostId) -> bool {
        in_range(position(deployment, host), self.low, self.high)
    }

    /// Whether group, ring and range all hold the member. An empty group or ring matches every host.
    #[must_use]
    pub fn includes(&self, deployment: DeploymentId, host: HostId, member: &Membership) -> bool {
        (self.group_id.is_empty() || member.groups.contains(&self.group_id))
            && (self.ring.is_empty() || member.ring == self.ring)
            && self.holds(deployment, host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn a_cut_splits_the_hosts_without_overlap_or_gap(deployment: u128, host: u128, cut in 1u64..) {
            let (deployment, host) = (DeploymentId(Uuid::from_u128(deployment)), HostId(Uuid::from_u128(host)));
            let first = Target { low: 0, high: cut, ..Target::default() };
            let second = Target { low: cut, high: 0, ..Target::default() };
            prop_assert!(first.holds(deployment, host) != second.holds(deployment, host));
        }
    }

    #[test]
    fn the_position_is_fixed_by_the_specification() {
        let nil = Uuid::nil();
        // printf '\0%.0s' $(seq 32) | sha256sum
        assert_eq!(
            position(DeploymentId(nil), HostId(nil)),
            0x6668_7aad_f862_bd77
        );
    }

    #[test]
    fn group_and_ring_must_match_when_they_are_named() {
        let (deployment, host) = (DeploymentId(Uuid::nil()), HostId(Uuid::nil()));
        let member = Membership {
            ring: "canary".into(),
            groups: vec!["a".into()],
            ..Membership::default()
        };
        let target = |group: &str, ring: &str| Target {
            group_id: group.into(),
            ring: ring.into(),
            low: 0,
            high: 0,
        };
        assert!(target("", "").includes(deployment, host, &member));
        assert!(target("a", "canary").includes(deployment, host, &member));
        assert!(!target("b", "canary").includes(deployment, host, &member));
        assert!(!target("a", "broad").includes(deployment, host, &member));
    }
}
