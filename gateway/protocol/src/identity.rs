//! Names in identity certificates: one URI in the subject alternative names, in the form of a SPIFFE id
//! (<https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/>): `spiffe://netpatch/<organization>/<host|relay>/<id>`.
//!
//! The name is a claim; the chain to that organization's CA makes it true.

use netpatch_types::OrganizationId;
use std::fmt;
use std::str::FromStr;

/// What a certificate is issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A host's agent.
    Host,
    /// A relay.
    Relay,
}

impl SubjectKind {
    /// The word in the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Relay => "relay",
        }
    }
}

/// The name of a host or relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityName {
    /// Whose it is.
    pub organization: OrganizationId,
    /// Host or relay.
    pub kind: SubjectKind,
    /// The host's or relay's id.
    pub id: uuid::Uuid,
}

/// Not the name of a host or relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a host or relay")]
pub struct InvalidName(pub String);

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spiffe://netpatch/{}/{}/{}",
            self.organization,
            self.kind.as_str(),
            self.id
        )
    }
}

impl FromStr for IdentityName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.strip_prefix("spiffe://netpatch/")?.split('/');
            let name = Self {
                organization: OrganizationId(parts.next()?.parse().ok()?),
                kind: match parts.next()? {
                    "host" => SubjectKind::Host,
                    "relay" => SubjectKind::Relay,
                    _ => return None,
                },
                id: parts.next()?.parse().ok()?,
            };
            // One spelling only: a UUID has several.
            (parts.next().is_none() && name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| InvalidName(text.chars().take(120).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn a_name_survives_the_round_trip(organization: u128, id: u128, relay: bool) {
            let kind = if relay { SubjectKind::Relay } else { SubjectKind::Host };
            let name = IdentityName {
                organization: OrganizationId(Uuid::from_u128(organization)),
                kind,
                id: Uuid::from_u128(id),
            };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            prop_assert!(name.to_string().to_uppercase().parse::<IdentityName>().is_err());
        }

        #[test]
        fn any_text_is_refused_or_stable(text in ".{0,120}") {
            if let Ok(name) = text.parse::<IdentityName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
