//! Claiming: the relay gets its certificate, by a code that a person types in the portal, or by a token file.
//!
//! The shape is RFC 8628's: the relay shows a short code and polls with a long secret one. Either way the connection
//! is verified against the platform root's fingerprint before anything secret is sent.
//!
//! Killed between a person's yes and the answer, the relay loses nothing: a waiting claim is kept (`claim.json`) and asked for again,
//! and a token gives its answer again to the same key.

use crate::data::{DataDir, DataError, Enrolment, PendingClaim};
use netpatch_protocol::enrol::{
    ClaimPending, EnrolAnswer, EnrolRequest, Enrolled, RelayClaimPoll, RelayClaimStart, RelayToken,
    enrol_answer, enrol_request,
};
use netpatch_protocol::{PROTOCOL_VERSION, SubjectKind};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, key_fingerprint, subject_key};
use netpatch_tunnel::{
    EdgeAddress, IdentityError, Limits, PlatformTrust, TunnelError, verify_identity,
};
use netpatch_types::{Sha256, SharedClock};
use std::time::Duration;

/// Codes of answers.
const NOT_FOUND: &str = "NOT_FOUND";
const THROTTLED: &str = "THROTTLED";

/// Where to claim, and how to know that it is the right place.
pub struct Claim<'a> {
    /// The edge.
    pub server: EdgeAddress,
    /// SHA-256 of the platform root's SubjectPublicKeyInfo.
    pub platform_root: Sha256,
    /// Where the key is and the certificate goes.
    pub data: &'a DataDir,
    /// For TLS, and the code's expiry.
    pub clock: &'a SharedClock,
    /// Bounds.
    pub limits: Limits,
}

/// Why a relay was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It is already.
    #[error(
        "relay is claimed already, by organization {0}; use another data directory to claim it anew"
    )]
    Claimed(String),
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The connection.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// The platform said no.
    #[error("platform refused: {message} ({code})")]
    Refused {
        /// An error code.
        code: String,
        /// Why.
        message: String,
    },
    /// Nobody typed the code in time.
    #[error("claim code expired before anybody used it")]
    Expired,
    /// The platform's answer makes no sense.
    #[error("platform answered unexpectedly: {0}")]
    Answer(&'static str),
    /// The certificate is not one for this relay.
    #[error(transparent)]
    Certificate(#[from] IdentityError),
}

impl Claim<'_> {
    /// Claims with the token of a file.
    pub async fn by_token(&self, secret: &str) -> Result<Enrolment, ClaimError> {
        let (model, serial) = hardware();
        let body = enrol_request::Body::RelayToken(RelayToken {
            secret: secret.to_owned(),
            csr_der: self.request()?,
            model,
            serial,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        match self.ask(body).await? {
            enrol_answer::Body::Enrolled(enrolled) => self.accept(enrolled),
            other => Err(refused(other)),
        }
    }

    /// Claims by code: `show` tells people, then the platform is asked until somebody has typed it. A claim that waited when the
    /// relay was ended is shown and asked for again.
    pub async fn by_code(&self, show: impl FnOnce(&PendingClaim)) -> Result<Enrolment, ClaimError> {
        let csr_der = self.request()?;
        let pending = match self.data.pending_claim()? {
            Some(kept)
                if kept.server == self.server.address()
                    && kept.platform_root == self.platform_root.to_string()
                    && kept.expires_at_ms > self.now_ms() =>
            {
                kept
            }
            _ => self.start(csr_der).await?,
        };
        show(&pending);
        let done = self.wait(&pending).await;
        if matches!(done, Ok(_) | Err(ClaimError::Expired)) {
            self.data.forget_pending_claim()?;
        }
        done
    }

    async fn start(&self, csr_der: Vec<u8>) -> Result<PendingClaim, ClaimError> {
        let (model, serial) = hardware();
        let body = enrol_request::Body::RelayStart(RelayClaimStart {
            csr_der,
            model,
            serial,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        let ClaimPending {
            device_code,
            claim_code,
            expires_at_ms,
            interval_seconds,
        } = match self.ask(body).await? {
            enrol_answer::Body::Claim(pending) => pending,
            other => return Err(refused(other)),
        };
        let pending = PendingClaim {
            server: self.server.address().to_owned(),
            platform_root: self.platform_root.to_string(),
            device_code,
            claim_code,
            expires_at_ms,
            interval_seconds,
        };
        self.data.save_pending_claim(&pending)?;
        Ok(pending)
    }

    /// Asks until somebody has typed the code or the platform says that it has ended.
    async fn wait(&self, pending: &PendingClaim) -> Result<Enrolment, ClaimError> {
        let every = Duration::from_secs(u64::from(pending.interval_seconds.clamp(1, 60)));
        loop {
            let poll = enrol_request::Body::RelayPoll(RelayClaimPoll {
                device_code: pending.device_code.clone(),
            });
            match self.ask(poll).await {
                Ok(enrol_answer::Body::Enrolled(enrolled)) => return self.accept(enrolled),
                Ok(enrol_answer::Body::Pending(_) | enrol_answer::Body::Claim(_)) => {}
                Ok(enrol_answer::Body::Error(error)) if error.code == NOT_FOUND => {
                    return Err(ClaimError::Expired);
                }
                Ok(enrol_answer::Body::Error(error)) if error.code == THROTTLED => {
                    tracing::info!(message = %error.message, "asked for the claim too often");
                }
                Ok(other) => return Err(refused(other)),
                // The line may break while somebody walks to the portal.
                Err(ClaimError::Tunnel(error)) => {
                    tracing::warn!(%error, "cannot ask for the claim");
                    if self.now_ms() > pending.expires_at_ms {
                        return Err(ClaimError::Expired);
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(every).await;
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn request(&self) -> Result<Vec<u8>, ClaimError> {
        if let Some(enrolment) = self.data.enrolment()? {
            return Err(ClaimError::Claimed(enrolment.organization_id));
        }
        Ok(certificate_request(&self.data.key()?)?)
    }

    async fn ask(&self, body: enrol_request::Body) -> Result<enrol_answer::Body, ClaimError> {
        let request = EnrolRequest {
            protocol: PROTOCOL_VERSION,
            body: Some(body),
        };
        let target = EnrolTarget::Edge(self.server.clone());
        let trust = PlatformTrust::Fingerprint(self.platform_root);
        let EnrolAnswer { body } =
            enrol(&target, &trust, &request, self.clock, &self.limits).await?;
        body.ok_or(ClaimError::Answer("nothing"))
    }

    /// Keeps the certificate if it is one for this relay's key, from this CA, on this platform.
    fn accept(&self, enrolled: Enrolled) -> Result<Enrolment, ClaimError> {
        let (root, _) = subject_key(&enrolled.platform_root_der)?;
        if root != self.platform_root {
            return Err(ClaimError::Answer("another platform root"));
        }
        let enrolment = Enrolment {
            server: self.server.address().to_owned(),
            organization_id: enrolled.organization_id,
            relay_id: enrolled.subject_id,
            site_id: enrolled.site_id,
            certificate: enrolled.certificate_der,
            ca: enrolled.ca_der,
            platform_root: enrolled.platform_root_der,
        };
        check_certificate(&enrolment, &self.data.key()?, self.clock)?;
        self.data.save_enrolment(&enrolment)?;
        Ok(enrolment)
    }
}

/// The certificate is this relay's, for this key, from the organization's CA.
pub(crate) fn check_certificate(
    enrolment: &Enrolment,
    key: &[u8],
    clock: &SharedClock,
) -> Result<(), ClaimError> {
    let now = u64::try_from(clock.now().timestamp()).unwrap_or(0);
    let name = verify_identity(&enrolment.certificate, &enrolment.ca, now)?;
    if name.kind != SubjectKind::Relay || name.id.to_string() != enrolment.relay_id {
        return Err(ClaimError::Answer("a certificate for somebody else"));
    }
    if subject_key(&enrolment.certificate)?.0 != key_fingerprint(key)? {
        return Err(ClaimError::Answer("a certificate for another key"));
    }
    Ok(())
}

fn refused(answer: enrol_answer::Body) -> ClaimError {
    match answer {
        enrol_answer::Body::Error(error) => ClaimError::Refused {
            code: error.code,
            message: error.message,
        },
        _ => ClaimError::Answer("another kind of answer"),
    }
}

/// What the firmware says of the machine; empty where it says nothing.
fn hardware() -> (String, String) {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
        let plain = text.trim().chars().filter(|c| !c.is_control()).take(80);
        plain.collect::<String>()
    };
    (read("product_name"), read("product_serial"))
}
