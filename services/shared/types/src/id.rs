//! Typed ids. In the database they are UUIDv7; in public they are `<prefix>_<base32>`.
//!
//! A tenant object's public id carries organization id ‖ object id (52 characters), so that a request can be
//! routed; row-level security, not the id, decides what may be seen. A catalog object's public id carries one
//! UUIDv5 of (source ‖ natural key) (26 characters). Clients treat both as opaque.

use crate::base32;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Namespace of the UUIDv5 of catalog objects.
const CATALOG: Uuid = Uuid::from_u128(0x6e65_7470_6174_6368_8000_6361_7461_6c67);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $scope:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub Uuid);

            impl $name {
                /// Prefix of the public form.
                pub const PREFIX: &'static str = $prefix;

                /// A new id, ordered by the given time.
                #[must_use]
                pub fn new(now: chrono::DateTime<chrono::Utc>) -> Self {
                    Self(uuid_v7(now))
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($prefix, ":{}"), self.0)
                }
            }

            impl From<Uuid> for $name {
                fn from(value: Uuid) -> Self {
                    Self(value)
                }
            }

            impl From<$name> for Uuid {
                fn from(value: $name) -> Self {
                    value.0
                }
            }

            ids!(@$scope $name);
        )*

        /// Every prefix, for tests and for `node(id)`.
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
    (@tenant $name:ident) => {
        impl $name {
            /// The public form, which carries the organization.
            #[must_use]
            pub fn public(self, organization: OrganizationId) -> String {
                PublicId::Tenant { prefix: Self::PREFIX, organization, object: self.0 }.to_string()
            }

            /// Reads the public form of this type only.
            pub fn parse_public(text: &str) -> Option<(OrganizationId, Self)> {
                match PublicId::parse(text)? {
                    PublicId::Tenant { prefix, organization, object } if prefix == Self::PREFIX => {
                        Some((organization, Self(object)))
                    }
                    _ => None,
                }
            }
        }
    };
    (@catalog $name:ident) => {
        impl $name {
            /// The id of a catalog object, the same on every platform.
            #[must_use]
            pub fn of(source: &str, natural_key: &str) -> Self {
                let mut name = Vec::with_capacity(source.len() + natural_key.len() + 1);
                name.extend_from_slice(source.as_bytes());
                name.push(0);
                name.extend_from_slice(natural_key.as_bytes());
                Self(Uuid::new_v5(&CATALOG, &name))
            }

            /// The public form.
            #[must_use]
            pub fn public(self) -> String {
                PublicId::Catalog { prefix: Self::PREFIX, object: self.0 }.to_string()
            }

            /// Reads the public form of this type only.
            pub fn parse_public(text: &str) -> Option<Self> {
                match PublicId::parse(text)? {
                    PublicId::Catalog { prefix, object } if prefix == Self::PREFIX => Some(Self(object)),
                    _ => None,
                }
            }
        }
    };
}

ids! {
    /// An organization, which is the tenant. Its public id carries the id twice.
    OrganizationId = "org", tenant;
    /// A right of a partner to act in a customer's organization.
    DelegationId = "dlg", tenant;
    /// A site of an organization.
    SiteId = "site", tenant;
    /// A person who signs in.
    UserId = "user", tenant;
    /// A program that signs in.
    ApiClientId = "client", tenant;
    /// A short-lived right to enrol hosts.
    EnrolmentTokenId = "enrol", tenant;
    /// A relay node.
    RelayId = "relay", tenant;
    /// A host.
    HostId = "host", tenant;
    /// What an organization knows of a machine besides what its agent reports.
    AssetId = "asset", tenant;
    /// A group of hosts, by selector.
    GroupId = "group", tenant;
    /// An advisory that applies to a component on a host.
    FindingId = "finding", tenant;
    /// A policy.
    PolicyId = "policy", tenant;
    /// A maintenance window.
    WindowId = "window", tenant;
    /// A patch baseline: required state and clocks.
    BaselineId = "baseline", tenant;
    /// Accepted lateness.
    ExceptionId = "exception", tenant;
    /// A person's or a rule's decision.
    ApprovalId = "approval", tenant;
    /// A deployment.
    DeploymentId = "deploy", tenant;
    /// A wave of a deployment.
    WaveId = "wave", tenant;
    /// One host's attempt.
    RunId = "run", tenant;
    /// A compliance snapshot.
    ComplianceSnapshotId = "snapshot", tenant;
    /// An entry of the ledger.
    LedgerEntryId = "ledger", tenant;
    /// A webhook endpoint.
    WebhookId = "webhook", tenant;
    /// A delivery to a webhook endpoint.
    WebhookDeliveryId = "delivery", tenant;
    /// A report or an evidence pack.
    ReportId = "report", tenant;
    /// An advisory.
    AdvisoryId = "advisory", catalog;
    /// An installable fix.
    PatchId = "patch", catalog;
    /// One (ecosystem, name, version, arch, release).
    ComponentId = "component", catalog;
}

/// The tenant is the organization: one isolation key, two words.
pub type TenantId = OrganizationId;

/// A UUIDv7 whose time part is `now`.
#[must_use]
pub fn uuid_v7(now: chrono::DateTime<chrono::Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::NoContext,
        seconds,
        now.timestamp_subsec_nanos(),
    ))
}

/// Any public id, before its type is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicId {
    /// An object of an organization.
    Tenant {
        /// One of [`PREFIXES`].
        prefix: &'static str,
        /// Where to look.
        organization: OrganizationId,
        /// What to look for.
        object: Uuid,
    },
    /// An object that all organizations share.
    Catalog {
        /// One of [`PREFIXES`].
        prefix: &'static str,
        /// What to look for.
        object: Uuid,
    },
}

impl PublicId {
    /// Reads a public id; `None` for an unknown prefix or a damaged body.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, body) = text.split_once('_')?;
        let prefix = *PREFIXES.iter().find(|known| **known == prefix)?;
        match body.len() {
            52 => {
                let bytes = base32::decode(body, 32)?;
                let organization = OrganizationId(Uuid::from_slice(&bytes[..16]).ok()?);
                Some(Self::Tenant {
                    prefix,
                    organization,
                    object: Uuid::from_slice(&bytes[16..]).ok()?,
                })
            }
            26 => {
                let bytes = base32::decode(body, 16)?;
                Some(Self::Catalog {
                    prefix,
                    object: Uuid::from_slice(&bytes).ok()?,
                })
            }
            _ => None,
        }
    }

    /// The type's prefix.
    #[must_use]
    pub fn prefix(&self) -> &'static str {
        match self {
            Self::Tenant { prefix, .. } | Self::Catalog { prefix, .. } => prefix,
        }
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant {
                prefix,
                organization,
                object,
            } => {
                let mut bytes = [0u8; 32];
                bytes[..16].copy_from_slice(organization.0.as_bytes());
                bytes[16..].copy_from_slice(object.as_bytes());
                write!(f, "{prefix}_{}", base32::encode(&bytes))
            }
            Self::Catalog { prefix, object } => {
                write!(f, "{prefix}_{}", base32::encode(object.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_public_id_survives_the_round_trip(organization: u128, object: u128) {
            let organization = OrganizationId(Uuid::from_u128(organization));
            let host = HostId(Uuid::from_u128(object));
            let text = host.public(organization);
            prop_assert!(text.len() <= 64);
            prop_assert_eq!(HostId::parse_public(&text), Some((organization, host)));
            prop_assert_eq!(SiteId::parse_public(&text), None);
        }

        #[test]
        fn any_text_is_refused_or_stable(text in ".{0,80}") {
            if let Some(id) = PublicId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn catalog_ids_depend_on_source_and_key() {
        let one = AdvisoryId::of("debian", "DSA-1-1");
        assert_eq!(AdvisoryId::parse_public(&one.public()), Some(one));
        assert_ne!(one, AdvisoryId::of("debianD", "SA-1-1"));
    }
}
