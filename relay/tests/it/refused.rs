//! Hosts that the platform does not admit any more, at the relay's own door.

use crate::relay::{Site, within};
use crate::world::{Edge, clock, config, limits};
use netpatch_protocol::enrol::{EnrolRequest, HostEnrolment, enrol_answer, enrol_request};
use netpatch_protocol::session::Hello;
use netpatch_protocol::site::RefusedHosts;
use netpatch_relay::Relay;
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::{
    Candidate, CarrierKind, Identity, PlatformTrust, SessionClient, SessionEvent, SessionOptions,
    SiteClient, SiteConnection, TunnelError,
};
use netpatch_types::{HostId, Sha256};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Any free port: the relay finds nobody where the edge was.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Host {
    id: HostId,
    identity: Identity,
    certificate: Sha256,
}

fn host(site: &Site) -> Host {
    named(site, HostId::new(clock().now()))
}

fn named(site: &Site, id: HostId) -> Host {
    let (identity, certificate) = site.edge.organization.host_named(id);
    Host {
        id,
        identity,
        certificate,
    }
}

async fn site() -> Site {
    let site = Site::start().await;
    site.upstream.put_bytes("pool/a.deb", b"a package");
    site
}

impl Site {
    fn tell(&self, hosts: &[HostId], certificates: &[Sha256]) {
        let list = RefusedHosts::of(hosts, certificates);
        self.edge.desk.refused.send_replace(list);
    }

    async fn payload_over(&self, connection: &SiteConnection) -> Result<Vec<u8>, TunnelError> {
        let asked = connection.payload(self.request("pool/a.deb"));
        let (answer, mut stream) = within(asked).await?;
        assert_eq!(answer.status, 200, "{}", answer.message);
        let mut bytes = Vec::new();
        within(stream.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }

    /// The edge ends and begins anew at another address, with the same settings and no list. Where it was.
    async fn edge_moves_to(&mut self, at: SocketAddr) -> SocketAddr {
        let (was, settings) = (
            self.edge.address,
            self.edge.desk.settings.lock().unwrap().clone(),
        );
        let (platform, organization) = (self.edge.platform.clone(), self.edge.organization.clone());
        self.edge = Edge::start_at(at, platform, organization).await;
        *self.edge.desk.settings.lock().unwrap() = settings;
        was
    }

    /// Over a connection of its own.
    async fn payload(&self, host: &Host) -> Result<Vec<u8>, TunnelError> {
        let client = self.client(&host.identity);
        let connection = within(client.connection()).await?;
        self.payload_over(&connection).await
    }

    async fn is_served(&self, host: &Host) {
        assert_eq!(self.payload(host).await.expect("served"), b"a package");
    }

    /// Why; soon.
    async fn is_refused(&self, host: &Host) -> String {
        within(async {
            loop {
                match self.payload(host).await {
                    Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    Err(error) => return error.to_string(),
                }
            }
        })
        .await
    }

    /// Soon.
    async fn is_served_again(&self, host: &Host) {
        within(async {
            while self.payload(host).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    fn session(&self, host: &Host, site: Arc<SiteClient>) -> SessionClient {
        let candidates = vec![Candidate::Relay { site }];
        let trust = PlatformTrust::Roots(vec![self.edge.platform.der.clone().into()]);
        let mut options = SessionOptions::new(candidates, host.identity.clone(), trust, clock());
        options.limits = limits();
        options.backoff_first = Duration::from_millis(20);
        options.backoff_longest = Duration::from_millis(100);
        SessionClient::connect(options, |_| Hello::default())
    }
}

/// The relay's process ends and another one begins on its folder.
fn restarted(mut site: Site) -> Site {
    drop(site.relay);
    let relay = Relay::start(site.data.clone(), &config(), clock(), limits());
    site.relay = relay.expect("starts");
    site
}

async fn up(session: &mut SessionClient) {
    match within(session.next()).await {
        Some(SessionEvent::Up { carrier, .. }) => assert_eq!(carrier, CarrierKind::Relay),
        other => panic!("not up: {other:?}"),
    }
}

async fn down(session: &mut SessionClient) -> String {
    match within(session.next()).await {
        Some(SessionEvent::Down { reason }) => reason,
        other => panic!("not down: {other:?}"),
    }
}

#[tokio::test]
async fn a_host_whose_certificate_is_revoked_loses_its_connection_and_gets_no_other() {
    let site = site().await;
    let (host, neighbour) = (host(&site), host(&site));
    let client = site.client(&host.identity);
    let connection = within(client.connection()).await.expect("connected");
    let payload = site.payload_over(&connection).await;
    assert_eq!(payload.expect("served"), b"a package");
    let mut session = site.session(&host, client.clone());
    up(&mut session).await;
    let others = site.client(&neighbour.identity);
    let others = within(others.connection()).await.expect("connected");
    let payload = site.payload_over(&others).await;
    assert_eq!(payload.expect("served"), b"a package");

    site.tell(&[], &[host.certificate]);
    // Which ends what is under way, and says why to whoever asks again.
    down(&mut session).await;
    let gone = site.payload_over(&connection).await.expect_err("gone");
    assert!(gone.to_string().contains("revoked"), "{gone}");
    let reason = site.payload(&host).await.expect_err("refused").to_string();
    assert!(reason.contains("enrol again"), "{reason}");
    let reason = down(&mut session).await;
    assert!(reason.contains("revoked"), "{reason}");
    // Nobody else lost anything.
    let payload = site.payload_over(&others).await;
    assert_eq!(payload.expect("served"), b"a package");

    // It enrols through the relay, under its name, with another certificate.
    let key = generate_key().expect("key");
    let request = EnrolRequest {
        protocol: 1,
        body: Some(enrol_request::Body::Host(HostEnrolment {
            csr_der: certificate_request(&key).expect("request"),
            ..HostEnrolment::default()
        })),
    };
    let target = EnrolTarget::Relay(site.address().to_string());
    let trust = PlatformTrust::Fingerprint(site.edge.platform.fingerprint());
    let answer = enrol(&target, &trust, &request, &clock(), &limits()).await;
    let body = answer.expect("answered").body;
    assert!(matches!(body, Some(enrol_answer::Body::Enrolled(_))));
    let anew = named(&site, host.id);
    site.is_served(&anew).await;
    site.payload(&host).await.expect_err("the old one is not");
}

#[tokio::test]
async fn a_host_in_quarantine_is_turned_away_until_it_is_let_out() {
    let site = site().await;
    let (host, neighbour) = (host(&site), host(&site));
    let mut session = site.session(&host, site.client(&host.identity));
    up(&mut session).await;
    site.tell(&[host.id], &[]);
    down(&mut session).await;
    let reason = site.is_refused(&host).await;
    assert!(reason.contains("quarantined"), "{reason}");
    // Whatever certificate it has.
    site.payload(&named(&site, host.id)).await.expect_err("it");
    site.is_served(&neighbour).await;
    site.tell(&[], &[]);
    site.is_served_again(&host).await;
    within(async {
        loop {
            match session.next().await {
                Some(SessionEvent::Up { .. }) => break,
                Some(SessionEvent::Down { .. }) => {}
                other => panic!("not up: {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_relay_that_starts_without_the_edge_still_refuses_and_hears_later_what_changed() {
    let mut site = site().await;
    let (host, neighbour) = (host(&site), host(&site));
    site.is_served(&neighbour).await;
    site.kept().await;
    site.tell(&[], &[host.certificate]);
    site.is_refused(&host).await;

    let at = site.edge_moves_to(NOWHERE).await;
    site = restarted(site);
    let reason = site.payload(&host).await.expect_err("refused").to_string();
    assert!(reason.contains("revoked"), "{reason}");
    site.is_served(&neighbour).await;

    // Meanwhile a person has changed everything.
    site.edge_moves_to(at).await;
    site.tell(&[neighbour.id], &[]);
    site.is_served_again(&host).await;
    site.is_refused(&neighbour).await;
}

#[tokio::test]
async fn a_kept_list_that_is_damaged_lets_nobody_in_until_the_edge_has_told_it_again() {
    let mut site = site().await;
    let (host, neighbour) = (host(&site), host(&site));
    site.is_served(&neighbour).await;
    site.kept().await;
    site.tell(&[], &[host.certificate]);
    site.is_refused(&host).await;
    let file = site.data.join("refused.pb");
    let whole = std::fs::read(&file).unwrap();

    let at = site.edge_moves_to(NOWHERE).await;
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let torn = [
        &whole[..whole.len() - 1],
        &whole[..34],
        &[],
        &flipped,
        b"rubbish",
    ];
    for damaged in torn {
        std::fs::write(&file, damaged).unwrap();
        site = restarted(site);
        for one in [&host, &neighbour] {
            let reason = site.payload(one).await.expect_err("refused").to_string();
            assert!(reason.contains("until it reaches"), "{damaged:?}: {reason}");
        }
    }
    site.edge_moves_to(at).await;
    site.tell(&[], &[host.certificate]);
    site.is_served_again(&neighbour).await;
    let reason = site.payload(&host).await.expect_err("refused").to_string();
    assert!(reason.contains("revoked"), "{reason}");
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}

#[tokio::test]
async fn a_list_that_is_not_whole_changes_nothing() {
    let site = site().await;
    let (host, neighbour) = (host(&site), host(&site));
    site.tell(&[host.id], &[]);
    site.is_refused(&host).await;
    let mut list = RefusedHosts::of(&[neighbour.id], &[neighbour.certificate]);
    list.certificates.pop();
    site.edge.desk.refused.send_replace(list);
    // It takes it for a fault, and asks again.
    within(async {
        while site.edge.desk.refused_asked.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    site.is_served(&neighbour).await;
    site.payload(&host).await.expect_err("still refused");
    site.tell(&[neighbour.id], &[]);
    site.is_refused(&neighbour).await;
    site.is_served_again(&host).await;
}
