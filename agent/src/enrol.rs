//! Enrolment: a token makes this host a member of an organization.
//!
//! The token carries the platform root's fingerprint, so the first connection is verified already. Nothing is kept
//! before everything in the answer was checked, except the key: a host that waits for a person asks again with it.

use crate::discovery::CANDIDATES;
use crate::discovery::dns::Resolver;
use crate::discovery::mdns::Links;
use crate::state::StateFolder;
use crate::state::identity::{Enrolled, Enrolment};
use crate::state::ways::Ways;
use netpatch_agent_core::order::open_root;
use netpatch_proof::{P256Signer, Signer as _};
use netpatch_protocol::counter::renewal_bytes;
use netpatch_protocol::enrol::{
    EnrolAnswer, EnrolRequest, HostEnrolment, HostRenewal, enrol_answer, enrol_request,
};
use netpatch_protocol::identity::SubjectKind;
use netpatch_protocol::{EnrolmentToken, PROTOCOL_VERSION, enrol as wire};
use netpatch_tunnel::enrol::{EnrolTarget, enrol as exchange};
use netpatch_tunnel::identity::{certificate_request, generate_key, subject_key};
use netpatch_tunnel::{Limits, PlatformTrust, Proxies, TunnelError, verify_identity};
use netpatch_types::{HostId, SharedClock, SiteId};
use prost::Message as _;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a relay that was found may take to bring the platform's answer.
const FOUND: Duration = Duration::from_secs(15);

/// Why this host is not enrolled now.
#[derive(Debug, thiserror::Error)]
pub enum EnrolFault {
    /// It is already.
    #[error(
        "this host is enrolled as {0} already; --again enrols it anew, for a certificate that was revoked or ended too long ago"
    )]
    Already(String),
    /// Enrolling anew would pull the identity away from under the agent.
    #[error("the agent runs here; stop it before enrolling anew")]
    Running,
    /// A person of the organization has to let it in.
    #[error("the enrolment waits for a person's approval; run the same command again afterwards")]
    Pending,
    /// The platform said no.
    #[error("the platform refused the enrolment: {message}")]
    Refused {
        /// `ErrorCode`.
        code: String,
        /// For a person.
        message: String,
    },
    /// The platform could not be reached or is another one.
    #[error("cannot enrol: {0}")]
    Tunnel(#[from] TunnelError),
    /// The answer does not hold together.
    #[error("the platform's answer is not accepted: {0}")]
    Answer(String),
    /// The disk.
    #[error("cannot keep the identity: {0}")]
    Io(#[from] io::Error),
}

/// Where and with what to enrol.
pub struct Request<'a> {
    /// The edge, `host:port`.
    pub server: &'a str,
    /// The site's relay, `host:port`.
    pub relay: Option<&'a str>,
    /// The site's forward proxy, for the way to the edge over TCP.
    pub proxies: Proxies,
    /// The token.
    pub token: &'a EnrolmentToken,
    /// The host's root.
    pub root: &'a Path,
    /// For TLS and certificates.
    pub clock: SharedClock,
    /// Anew, with the key that the host has, although it is enrolled.
    pub again: bool,
}

/// Enrols the host and keeps its identity.
pub async fn enrol(state: &StateFolder, request: Request<'_>) -> Result<Enrolment, EnrolFault> {
    let _agent_stands_still = state.lock().map_err(|_| EnrolFault::Running)?;
    if let Some(bytes) = state.read("identity.json")?
        && !request.again
    {
        let host = serde_json::from_slice::<Enrolment>(&bytes)
            .map(|held| held.host.public(held.organization));
        return Err(EnrolFault::Already(
            host.unwrap_or_else(|_| "a damaged identity".to_owned()),
        ));
    }
    let key = match state.read("key.der")? {
        Some(key) => key,
        None => {
            let key = generate_key()?;
            state.write("key.der", &key)?;
            key
        }
    };
    let arch = package_arch(request.root).await;
    let body = EnrolRequest {
        protocol: PROTOCOL_VERSION,
        body: Some(enrol_request::Body::Host(HostEnrolment {
            secret: request.token.secret.clone(),
            csr_der: certificate_request(&key)?,
            facts: Some(crate::scan::facts(request.root, &arch, false)),
        })),
    };
    let trust = PlatformTrust::Fingerprint(request.token.platform_root);
    let (answer, found) = ask(&request, &trust, &body).await?;
    let enrolled = enrolled(answer)?;
    let enrolment = check(&enrolled, &request, &key)?;
    Ways::forget(state)?;
    if let Some(relay) = found {
        Ways::load(state, None, None).take_used(&relay);
    }
    let root = enrolled
        .root
        .map(|root| root.encode_to_vec())
        .unwrap_or_default();
    state.write("root.envelope", &root)?;
    state.write("certificate.der", &enrolled.certificate_der)?;
    let json = serde_json::to_vec_pretty(&enrolment).map_err(io::Error::other)?;
    state.write("identity.json", &json)?;
    Ok(enrolment)
}

/// The platform's answer: through the relay that was named, else, where that leads nowhere or none was, through one that is said to be a relay
/// of this network, and through which. Directly before others are looked for, and where a relay was named after them all. Whoever
/// carries the question can neither read nor change it: the token names the platform that answers.
async fn ask(
    request: &Request<'_>,
    trust: &PlatformTrust,
    body: &EnrolRequest,
) -> Result<(EnrolAnswer, Option<String>), EnrolFault> {
    let by = async |target: EnrolTarget| {
        exchange(&target, trust, body, &request.clock, &Limits::default()).await
    };
    let edge = || EnrolTarget::Edge(request.proxies.edge(request.server));
    let first = match request.relay {
        Some(relay) => EnrolTarget::Relay(relay.to_owned()),
        None => edge(),
    };
    let in_vain = match by(first).await {
        Ok(answer) => return Ok((answer, None)),
        Err(error) => error,
    };
    if let Some(relay) = request.relay {
        tracing::warn!(relay, error = %in_vain, "not enrolled through the relay that was named; looking for another way");
    }
    let is_new = |relay: &String| Some(relay.as_str()) != request.relay;
    // Nobody that could be asked is no fault: why the first way leads nowhere is told.
    let named = Resolver::of_host(request.root).relays().await;
    let named = named.unwrap_or_default().into_iter().filter(is_new);
    for relay in named.take(CANDIDATES) {
        if let Some(answer) = through(&relay, &by).await {
            return Ok((answer, Some(relay)));
        }
    }
    let heard = Links::of_host().relays().await.into_iter().filter(is_new);
    for relay in heard.take(CANDIDATES) {
        if let Some(answer) = through(&relay, &by).await {
            return Ok((answer, Some(relay)));
        }
    }
    if request.relay.is_some()
        && let Ok(answer) = by(edge()).await
    {
        return Ok((answer, None));
    }
    Err(in_vain.into())
}

/// The answer through a relay that was found; one after the other is asked, for the token may be good for one host only.
async fn through(
    relay: &str,
    by: &impl AsyncFn(EnrolTarget) -> Result<EnrolAnswer, TunnelError>,
) -> Option<EnrolAnswer> {
    let asked = by(EnrolTarget::Relay(relay.to_owned()));
    match tokio::time::timeout(FOUND, asked).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(relay, %error, "not enrolled through this relay");
            None
        }
        Err(_) => {
            tracing::warn!(relay, "no answer through this relay");
            None
        }
    }
}

fn enrolled(answer: EnrolAnswer) -> Result<wire::Enrolled, EnrolFault> {
    match answer.body {
        Some(enrol_answer::Body::Enrolled(enrolled)) => Ok(enrolled),
        Some(enrol_answer::Body::Error(error)) => Err(EnrolFault::Refused {
            code: error.code,
            message: error.message,
        }),
        Some(enrol_answer::Body::Pending(_)) => Err(EnrolFault::Pending),
        Some(enrol_answer::Body::Claim(_)) | None => {
            Err(EnrolFault::Answer("it is no answer for a host".into()))
        }
    }
}

/// Everything must fit: ids, certificate and key, CA, root document, platform root and fingerprint.
fn check(
    enrolled: &wire::Enrolled,
    request: &Request<'_>,
    key: &[u8],
) -> Result<Enrolment, EnrolFault> {
    let wrong = |reason: &str| EnrolFault::Answer(reason.to_owned());
    let id = |text: &str, what: &str| {
        text.parse::<uuid::Uuid>()
            .map_err(|_| EnrolFault::Answer(format!("its {what} id is no uuid")))
    };
    let organization =
        netpatch_types::OrganizationId(id(&enrolled.organization_id, "organization")?);
    let host = HostId(id(&enrolled.subject_id, "host")?);
    let site = SiteId(id(&enrolled.site_id, "site")?);
    let now = u64::try_from(request.clock.now().timestamp()).unwrap_or(0);
    let name = verify_identity(&enrolled.certificate_der, &enrolled.ca_der, now)
        .map_err(|error| EnrolFault::Answer(error.to_string()))?;
    if name.organization != organization || name.kind != SubjectKind::Host || name.id != host.0 {
        return Err(wrong("its certificate names somebody else"));
    }
    let (certified, _) = subject_key(&enrolled.certificate_der)
        .map_err(|error| EnrolFault::Answer(error.to_string()))?;
    if certified != netpatch_tunnel::identity::key_fingerprint(key)? {
        return Err(wrong("its certificate has another key"));
    }
    let (platform, _) = subject_key(&enrolled.platform_root_der)
        .map_err(|error| EnrolFault::Answer(error.to_string()))?;
    if platform != request.token.platform_root {
        return Err(wrong("its platform root is not the token's"));
    }
    let envelope = enrolled
        .root
        .as_ref()
        .ok_or_else(|| wrong("it has no root document"))?;
    let root = open_root(envelope, None).map_err(|error| EnrolFault::Answer(error.to_string()))?;
    if root.organization_id != enrolled.organization_id || root.ca_der != enrolled.ca_der {
        return Err(wrong("its root document is another organization's"));
    }
    Ok(Enrolment {
        organization,
        host,
        site,
        server: request.server.to_owned(),
        relay: request.relay.map(str::to_owned),
        platform_root: hex::encode(&enrolled.platform_root_der),
        ca: hex::encode(&enrolled.ca_der),
    })
}

/// Asks for a certificate after the old one's end by these ways, one after the other; (certificate, CA), DER.
pub async fn renew(
    enrolled: &Enrolled,
    ways: &[EnrolTarget],
    clock: SharedClock,
) -> Result<(Vec<u8>, Vec<u8>), EnrolFault> {
    let csr_der = certificate_request(&enrolled.key)?;
    let signer = P256Signer::from_pkcs8_der(&enrolled.key)
        .ok_or_else(|| EnrolFault::Answer("the identity key cannot be used".into()))?;
    let signature = signer
        .sign(&renewal_bytes(&csr_der))
        .map_err(|error| EnrolFault::Answer(error.to_string()))?;
    let body = EnrolRequest {
        protocol: PROTOCOL_VERSION,
        body: Some(enrol_request::Body::Renewal(HostRenewal {
            certificate_der: enrolled.certificate.clone(),
            csr_der,
            signature,
        })),
    };
    let answer = first_answer(ways, &enrolled.platform(), &body, &clock).await?;
    let answer = self::enrolled(answer)?;
    Ok((answer.certificate_der, answer.ca_der))
}

/// The answer by the first of these ways that leads to the platform; without one, why the last did not.
async fn first_answer(
    ways: &[EnrolTarget],
    trust: &PlatformTrust,
    body: &EnrolRequest,
    clock: &SharedClock,
) -> Result<EnrolAnswer, EnrolFault> {
    let mut last = EnrolFault::Answer("no way to the platform is known".into());
    for way in ways {
        match exchange(way, trust, body, clock, &Limits::default()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Keeps a renewed certificate.
pub fn save_certificate(state: &StateFolder, enrolled: &Enrolled) -> io::Result<()> {
    state.write("certificate.der", &enrolled.certificate)?;
    let json = serde_json::to_vec_pretty(&enrolled.enrolment).map_err(io::Error::other)?;
    state.write("identity.json", &json)
}

async fn package_arch(root: &Path) -> String {
    let runner = crate::command::Runner::in_root(root.to_owned(), Vec::new());
    let providers = crate::provider::Providers::of_host(&runner, root).await;
    providers.installer().arch().await.unwrap_or_default()
}
