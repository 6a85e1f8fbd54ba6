//! The certificate: renewed at half of its life over the session, after its end through enrolment with the old key.
//!
//! A certificate is used only after it was kept: an agent killed between asking and keeping goes on with the old one,
//! which stays good until its end, and asks again.

use super::Agent;
use super::link::Link;
use crate::enrol::{self, EnrolFault};
use crate::state::identity::Enrolled;
use netpatch_protocol::session::{RenewRequest, agent_message};
use netpatch_tunnel::enrol::EnrolTarget;
use netpatch_tunnel::identity::{certificate_request, subject_key, validity};
use netpatch_tunnel::{IdentityError, verify_identity};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// A renewal over the session that was not answered is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(600);
/// A renewal after the end that failed is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What a renewal after the end came to: certificate and CA, DER.
pub(super) type RenewedAfterEnd = Result<(Vec<u8>, Vec<u8>), EnrolFault>;

/// Why a certificate is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateFault {
    #[error("the new certificate is not taken: {0}")]
    Identity(#[from] IdentityError),
    #[error("the new certificate is another host's or has another key")]
    AnotherHost,
    #[error("cannot keep the new certificate: {0}")]
    Io(#[from] std::io::Error),
}

impl Agent {
    /// Asks for a new certificate when half of this one's life is over, in the way that is still open.
    pub(super) fn ask_renewal(&mut self, link: &Link, renewed: &mpsc::Sender<RenewedAfterEnd>) {
        let Ok((not_before, not_after)) = validity(&self.enrolled.certificate) else {
            return;
        };
        let now = self.now().timestamp();
        let has_ended = now > not_after;
        let pause = if has_ended { TRY_AGAIN } else { ASK_AGAIN };
        let waits = self.renewal_asked.is_some_and(|at| at.elapsed() < pause);
        if waits || now < not_before + (not_after - not_before) / 2 {
            return;
        }
        if has_ended {
            self.renew_after_end(renewed);
        } else if link.carrier.is_some() {
            self.renew_over_session(link);
        }
    }

    fn renew_over_session(&mut self, link: &Link) {
        match certificate_request(&self.enrolled.key) {
            Ok(csr_der) => {
                tracing::info!("asking for a new certificate");
                self.renewal_asked = Some(Instant::now());
                link.send(agent_message::Body::Renew(RenewRequest { csr_der }));
            }
            Err(error) => tracing::error!(%error, "cannot ask for a new certificate"),
        }
    }

    /// After its end a certificate is good for one thing only: asking for the next. No session is needed for that.
    fn renew_after_end(&mut self, renewed: &mpsc::Sender<RenewedAfterEnd>) {
        tracing::warn!("the certificate has ended; asking for a new one");
        self.renewal_asked = Some(Instant::now());
        let (enrolled, clock) = (self.enrolled.clone(), self.clock.clone());
        let renewed = renewed.clone();
        let through = self.site.as_ref().map(|site| site.address().to_owned());
        let mut ways: Vec<EnrolTarget> = through.into_iter().map(EnrolTarget::Relay).collect();
        if self.ways.may_go_directly() {
            let edge = self.proxies.edge(&enrolled.enrolment.server);
            ways.push(EnrolTarget::Edge(edge));
        }
        tokio::spawn(async move {
            let answer = enrol::renew(&enrolled, &ways, clock).await;
            let _ = renewed.send(answer).await;
        });
    }

    /// Takes what the renewal after the end came to.
    pub(super) fn on_renewed_after_end(&mut self, answer: RenewedAfterEnd, renewed: &Arc<Notify>) {
        match answer {
            Ok((certificate, ca)) => self.on_certificate(&certificate, &ca, renewed),
            Err(fault) => {
                tracing::error!(%fault, "cannot renew the certificate");
                self.status.certificate_problem = Some(fault.to_string());
            }
        }
    }

    /// Keeps and uses a new certificate; the session is made anew with it.
    pub(super) fn on_certificate(&mut self, certificate: &[u8], ca: &[u8], renewed: &Arc<Notify>) {
        match self.take_certificate(certificate, ca) {
            Ok(()) => {
                tracing::info!("the certificate is renewed");
                self.renewal_asked = None;
                self.status.certificate_problem = None;
                renewed.notify_one();
            }
            Err(fault) => {
                tracing::error!(%fault, "the certificate is not renewed");
                self.status.certificate_problem = Some(fault.to_string());
            }
        }
    }

    /// Takes a certificate that names this host, has its key and chains to its organization's CA.
    fn take_certificate(
        &mut self,
        certificate_der: &[u8],
        ca_der: &[u8],
    ) -> Result<(), CertificateFault> {
        let mut next: Enrolled = self.enrolled.clone();
        next.certificate = certificate_der.to_vec();
        if !ca_der.is_empty() {
            next.ca = ca_der.to_vec();
            next.enrolment.ca = hex::encode(ca_der);
        }
        let now = u64::try_from(self.now().timestamp()).unwrap_or(0);
        let name = verify_identity(&next.certificate, &next.ca, now)?;
        let (key, _) = subject_key(&next.certificate)?;
        let (own_key, _) = subject_key(&self.enrolled.certificate)?;
        let is_ours = name.organization == next.enrolment.organization
            && name.id == next.enrolment.host.0
            && key == own_key;
        if !is_ours {
            return Err(CertificateFault::AnotherHost);
        }
        enrol::save_certificate(&self.state, &next)?;
        self.enrolled = next;
        if let Some(site) = &self.site {
            site.set_identity(self.enrolled.tls());
        }
        Ok(())
    }

    /// After an update of its own libraries the agent starts itself anew, once nothing is under way. Same process id.
    pub(super) fn restart_if_replaced(&mut self, link: &Link) {
        use std::os::unix::process::CommandExt as _;
        if !self.replaced_check
            || self.driver.has_work()
            || self.scanning
            || link.handle.waiting() > 0
        {
            return;
        }
        self.replaced_check = false;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        if crate::provider::services::replaced_files(&maps).is_empty() {
            return;
        }
        tracing::info!("own files were replaced: starting anew");
        let mut words = std::env::args_os();
        let Some(program) = words.next() else { return };
        let error = std::process::Command::new(program).args(words).exec();
        tracing::error!(%error, "cannot start anew; going on");
    }
}
