//! Renewal of the relay's certificate at half of its life, and afterwards if it was missed, while the relay runs.
//!
//! The time is asked of the injected clock every second, so that a clock that jumps (a suspended machine) is noticed at once.

use crate::claim::{ClaimError, check_certificate};
use crate::data::{DataDir, Enrolment};
use netpatch_proof::{P256Signer, Signer as _};
use netpatch_protocol::PROTOCOL_VERSION;
use netpatch_protocol::counter::renewal_bytes;
use netpatch_protocol::enrol::{EnrolRequest, HostRenewal, enrol_answer, enrol_request};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, renewal_due};
use netpatch_tunnel::{EdgeAddress, Identity, Limits, SiteEndpoint};
use netpatch_types::SharedClock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A renewal that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(600);

/// What keeping the certificate needs.
pub(crate) struct Renewal {
    pub(crate) data: DataDir,
    pub(crate) enrolment: Enrolment,
    pub(crate) edge: EdgeAddress,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) identity: watch::Sender<Identity>,
    pub(crate) endpoint: Arc<SiteEndpoint>,
}

impl Renewal {
    /// Never ends: looks from time to time, and renews when it is due.
    pub(crate) async fn keep_valid(mut self) {
        let mut due = renewal_due(&self.enrolment.certificate);
        let mut not_before = Duration::ZERO;
        loop {
            let monotonic = self.clock.monotonic();
            if self.clock.now().timestamp() >= due && monotonic >= not_before {
                match self.renew().await {
                    Ok(()) => {
                        tracing::info!("certificate renewed");
                        due = renewal_due(&self.enrolment.certificate);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "certificate cannot be renewed; trying again later");
                        not_before = monotonic + AGAIN;
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn renew(&mut self) -> Result<(), ClaimError> {
        let key = self.data.key()?;
        let csr_der = certificate_request(&key)?;
        let signer =
            P256Signer::from_pkcs8_der(&key).ok_or(ClaimError::Answer("key is not P-256"))?;
        let signature = signer
            .sign(&renewal_bytes(&csr_der))
            .map_err(|_| ClaimError::Answer("key cannot sign"))?;
        let request = EnrolRequest {
            protocol: PROTOCOL_VERSION,
            body: Some(enrol_request::Body::Renewal(HostRenewal {
                certificate_der: self.enrolment.certificate.clone(),
                csr_der,
                signature,
            })),
        };
        let target = EnrolTarget::Edge(self.edge.clone());
        let trust = self.enrolment.trust();
        let answer = enrol(&target, &trust, &request, &self.clock, &self.limits).await?;
        let enrolled = match answer.body {
            Some(enrol_answer::Body::Enrolled(enrolled)) => enrolled,
            Some(enrol_answer::Body::Error(error)) => {
                return Err(ClaimError::Refused {
                    code: error.code,
                    message: error.message,
                });
            }
            _ => return Err(ClaimError::Answer("another kind of answer")),
        };
        let renewed = Enrolment {
            certificate: enrolled.certificate_der,
            ..self.enrolment.clone()
        };
        check_certificate(&renewed, &key, &self.clock)?;
        self.data.save_enrolment(&renewed)?;
        let identity = renewed.identity(key);
        self.endpoint.set_identity(&identity)?;
        self.identity.send_replace(identity);
        self.enrolment = renewed;
        Ok(())
    }
}
