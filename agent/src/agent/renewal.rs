//! The certificate: renewed at half of its life over the session, after its end through enrolment with the old key.

use super::Agent;
use super::link::Link;
use crate::enrol;
use netpatch_protocol::session::{RenewRequest, agent_message};
use netpatch_tunnel::identity::{certificate_request, subject_key, validity};
use netpatch_tunnel::verify_identity;
use std::time::Duration;
use tokio::time::Instant;

/// A renewal that was not answered is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(600);

impl Agent {
    /// Asks for a new certificate when half of this one's life is over.
    pub(super) fn ask_renewal(&mut self, link: &Link) {
        if link.carrier.is_none()
            || self
                .renewal_asked
                .is_some_and(|at| at.elapsed() < ASK_AGAIN)
        {
            return;
        }
        let Ok((not_before, not_after)) = validity(&self.enrolled.certificate) else {
            return;
        };
        if self.now().timestamp() < not_before + (not_after - not_before) / 2 {
            return;
        }
        match certificate_request(&self.enrolled.key) {
            Ok(csr_der) => {
                tracing::info!("asking for a new certificate");
                self.renewal_asked = Some(Instant::now());
                link.send(agent_message::Body::Renew(RenewRequest { csr_der }));
            }
            Err(error) => tracing::error!(%error, "cannot ask for a new certificate"),
        }
    }

    /// After its end a certificate is good for one thing only: asking for the next.
    pub(super) async fn renew_if_expired(&mut self) {
        let Ok((_, not_after)) = validity(&self.enrolled.certificate) else {
            return;
        };
        if self.now().timestamp() <= not_after {
            return;
        }
        tracing::warn!("the certificate has expired");
        match enrol::renew(&self.enrolled, self.clock.clone()).await {
            Ok((certificate, ca)) => {
                self.take_certificate(&certificate, &ca);
            }
            Err(error) => tracing::error!(%error, "cannot renew the certificate"),
        }
    }

    /// Takes a certificate that names this host, has its key and chains to its organization's CA; true if it did.
    pub(super) fn take_certificate(&mut self, certificate_der: &[u8], ca_der: &[u8]) -> bool {
        let ca_der = if ca_der.is_empty() {
            self.enrolled.ca.clone()
        } else {
            ca_der.to_vec()
        };
        let now = u64::try_from(self.now().timestamp()).unwrap_or(0);
        let ours = subject_key(&self.enrolled.certificate).map(|(digest, _)| digest);
        let verified = verify_identity(certificate_der, &ca_der, now).and_then(|name| {
            let same_key = subject_key(certificate_der).map(|(digest, _)| Ok(digest) == ours)?;
            let enrolment = &self.enrolled.enrolment;
            Ok(same_key
                && name.organization == enrolment.organization
                && name.id == enrolment.host.0)
        });
        match verified {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("the new certificate is another host's");
                return false;
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate is not taken");
                return false;
            }
        }
        self.enrolled.certificate = certificate_der.to_vec();
        self.enrolled.enrolment.ca = hex::encode(&ca_der);
        self.enrolled.ca = ca_der;
        if let Err(error) = enrol::save_certificate(&self.state, &self.enrolled) {
            tracing::error!(%error, "cannot keep the new certificate");
            return false;
        }
        if let Some(site) = &self.site {
            site.set_identity(self.enrolled.tls());
        }
        self.renewal_asked = None;
        true
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
        if crate::provider::apt::replaced_files(&maps).is_empty() {
            return;
        }
        tracing::info!("own files were replaced: starting anew");
        let mut words = std::env::args_os();
        let Some(program) = words.next() else { return };
        let error = std::process::Command::new(program).args(words).exec();
        tracing::error!(%error, "cannot start anew; going on");
    }
}
