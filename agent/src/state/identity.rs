//! Who the agent is: written at enrolment, read at every start.

use super::StateFolder;
use netpatch_agent_core::order::{Trust, open_root};
use netpatch_protocol::document::{Envelope, Root};
use netpatch_tunnel::{Identity, PlatformTrust};
use netpatch_types::{HostId, OrganizationId, SiteId};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use std::io;

/// What enrolment gave, besides keys and documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The organization.
    pub organization: OrganizationId,
    /// The host.
    pub host: HostId,
    /// The site.
    pub site: SiteId,
    /// The edge, `host:port`.
    pub server: String,
    /// The site's relay, `host:port`, if there is one.
    pub relay: Option<String>,
    /// The platform's root certificate, DER in hexadecimal.
    pub platform_root: String,
    /// The organization's CA, DER in hexadecimal.
    pub ca: String,
}

/// Everything that identifies the agent.
#[derive(Clone)]
pub struct Enrolled {
    /// What enrolment gave.
    pub enrolment: Enrolment,
    /// The identity key, PKCS #8 DER.
    pub key: Vec<u8>,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The organization's CA, DER.
    pub ca: Vec<u8>,
    /// The platform's root certificate, DER.
    pub platform_root: Vec<u8>,
    /// The pinned root document.
    pub root: Root,
}

/// The state folder does not hold a usable identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFault {
    /// Nobody enrolled here.
    #[error("this host is not enrolled; run netpatch-agent enroll first")]
    NotEnrolled,
    /// A file cannot be read.
    #[error("cannot read the agent's identity: {0}")]
    Io(#[from] io::Error),
    /// A file does not hold what it should.
    #[error("the agent's {file} is damaged: {reason}")]
    Damaged {
        /// The file.
        file: &'static str,
        /// Why.
        reason: String,
    },
}

impl Enrolled {
    /// Reads the identity.
    pub fn load(state: &StateFolder) -> Result<Self, IdentityFault> {
        let damaged = |file, reason: String| IdentityFault::Damaged { file, reason };
        let bytes = state
            .read("identity.json")?
            .ok_or(IdentityFault::NotEnrolled)?;
        let enrolment: Enrolment = serde_json::from_slice(&bytes)
            .map_err(|error| damaged("identity.json", error.to_string()))?;
        let file = |name: &'static str| {
            state
                .read(name)?
                .ok_or_else(|| damaged(name, "it is missing".to_owned()))
        };
        let envelope = Envelope::decode(file("root.envelope")?.as_slice())
            .map_err(|error| damaged("root.envelope", error.to_string()))?;
        let root = open_root(&envelope, None)
            .map_err(|error| damaged("root.envelope", error.to_string()))?;
        let hex = |text: &str| {
            hex::decode(text).map_err(|error| damaged("identity.json", error.to_string()))
        };
        Ok(Self {
            key: file("key.der")?,
            certificate: file("certificate.der")?,
            ca: hex(&enrolment.ca)?,
            platform_root: hex(&enrolment.platform_root)?,
            enrolment,
            root,
        })
    }

    /// Whom the agent believes.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::new(self.enrolment.organization, self.enrolment.host, &self.root)
    }

    /// Certificate and key for connections.
    #[must_use]
    pub fn tls(&self) -> Identity {
        Identity::new(self.certificate.clone(), self.key.clone())
    }

    /// The platform that connections must end at.
    #[must_use]
    pub fn platform(&self) -> PlatformTrust {
        PlatformTrust::Roots(vec![self.platform_root.clone().into()])
    }
}
