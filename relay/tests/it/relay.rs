use crate::upstream::{Served, Upstream};
use crate::world::{Authority, Edge, clock, config, limits};
use netpatch_protocol::enrol::{EnrolRequest, HostEnrolment, enrol_answer, enrol_request};
use netpatch_protocol::session::{Hello, HostFacts, agent_message, edge_message};
use netpatch_protocol::site::{PayloadRequest, SiteSettings, Upstream as Source};
use netpatch_relay::{Config, DataDir, Relay};
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::{
    Candidate, CarrierKind, Identity, Limits, PlatformTrust, SessionClient, SessionEvent,
    SessionOptions, SiteClient,
};
use netpatch_types::SharedClock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

pub(crate) struct Site {
    pub(crate) edge: Edge,
    pub(crate) upstream: Upstream,
    pub(crate) relay: Relay,
    pub(crate) data: DataDir,
    clock: SharedClock,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_at(clock(), |_| {}).await
    }

    /// A site whose clock a test may move; `prepare` comes before the relay has its certificate.
    pub(crate) async fn start_at(clock: SharedClock, prepare: impl FnOnce(&Edge)) -> Self {
        Self::start_with(config(), clock, prepare).await
    }

    pub(crate) async fn start_with(
        config: Config,
        clock: SharedClock,
        prepare: impl FnOnce(&Edge),
    ) -> Self {
        Self::start_limited(config, clock, limits(), prepare).await
    }

    pub(crate) async fn start_limited(
        config: Config,
        clock: SharedClock,
        limits: Limits,
        prepare: impl FnOnce(&Edge),
    ) -> Self {
        let (edge, upstream) = (Edge::start_with(limits).await, Upstream::start().await);
        *edge.desk.settings.lock().unwrap() = SiteSettings {
            site_id: "a-site".into(),
            upstreams: vec![Source {
                repository: upstream.base.clone(),
                urls: Vec::new(),
            }],
            ..SiteSettings::default()
        };
        prepare(&edge);
        let folder = tempfile::tempdir().unwrap();
        let data = edge.claimed(folder.path());
        let mut relay = Relay::start(data.clone(), &config, clock.clone(), limits).expect("starts");
        within(relay.online()).await;
        Self {
            edge,
            upstream,
            relay,
            data,
            clock,
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.relay.local_addr().expect("address")
    }

    pub(crate) fn client(&self, host: &Identity) -> Arc<SiteClient> {
        let ca = self.edge.organization.der.clone();
        let address = self.address().to_string();
        Arc::new(SiteClient::new(
            address,
            ca,
            host.clone(),
            self.clock.clone(),
            limits(),
        ))
    }

    /// The last byte is served before the payload is kept.
    pub(crate) async fn kept(&self) {
        let kept = async {
            while self.relay.status().expect("status").payloads == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(kept).await;
    }

    pub(crate) fn request(&self, path: &str) -> PayloadRequest {
        PayloadRequest {
            repository: self.upstream.base.clone(),
            path: path.into(),
            ..PayloadRequest::default()
        }
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("in time")
}

#[tokio::test]
async fn agents_get_payloads_and_the_edge_hears_of_it() {
    let site = Site::start().await;
    let wanted: Vec<u8> = (0..700_000u32).flat_map(u32::to_be_bytes).collect();
    site.upstream.put_bytes("pool/a.deb", &wanted);
    for from_cache in [false, true] {
        let host = site.edge.organization.host();
        let connection = site.client(&host).connection().await.expect("connected");
        let (answer, mut stream) = connection
            .payload(site.request("pool/a.deb"))
            .await
            .expect("answered");
        assert_eq!((answer.status, answer.size_bytes), (200, 2_800_000));
        assert_eq!(answer.from_cache, from_cache);
        let mut got = Vec::new();
        within(stream.read_to_end(&mut got)).await.expect("whole");
        assert!(got == wanted);
        site.kept().await;
        let mut part = site.request("pool/a.deb");
        part.offset = 2_799_990;
        let (answer, mut stream) = connection.payload(part).await.expect("answered");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("part");
        assert_eq!(
            (answer.status, answer.total_bytes, got.as_slice()),
            (206, 2_800_000, &wanted[2_799_990..])
        );
        let absent = connection
            .payload(site.request("pool/b.deb"))
            .await
            .expect("answered");
        assert_eq!(absent.0.status, 404);
    }
    let heard = async {
        loop {
            let last = site.edge.desk.reports.lock().unwrap().last().cloned();
            if last.is_some_and(|r| r.bytes_served > 5_600_000 && r.bytes_fetched == 2_800_000) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(heard).await;
}

#[tokio::test]
async fn what_was_counted_goes_on_in_the_next_run() {
    let site = Site::start().await;
    site.upstream.put_bytes("pool/a.deb", &[7; 50_000]);
    let host = site.edge.organization.host();
    let connection = site.client(&host).connection().await.expect("connected");
    let asked = connection.payload(site.request("pool/a.deb")).await;
    let (_, mut stream) = asked.expect("answered");
    within(stream.read_to_end(&mut Vec::new()))
        .await
        .expect("whole");
    site.kept().await;
    let served = |relay: &Relay| relay.status().expect("status").counted.bytes_served;
    within(async {
        while served(&site.relay) < 50_000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let Site {
        edge,
        relay,
        data,
        _folder,
        ..
    } = site;
    within(relay.run_until(async {})).await.expect("stopped");
    edge.desk.reports.lock().unwrap().clear();
    let mut again = Relay::start(data, &config(), clock(), limits()).expect("starts");
    within(again.online()).await;
    let status = again.status().expect("status");
    assert_eq!(
        (status.counted.bytes_fetched, status.counted.misses),
        (50_000, 1)
    );
    assert_eq!((status.counted.agents, status.counted.sessions), (0, 0));
    let told = edge.desk.reports.lock().unwrap().last().cloned();
    assert_eq!(told.expect("a report").bytes_served, 50_000);
}

#[tokio::test]
async fn a_payload_that_breaks_off_does_not_look_whole() {
    let site = Site::start().await;
    let served = Served {
        body: vec![5; 500_000],
        cut_after: Some(300_000),
        ..Served::default()
    };
    // Without a version the rest cannot be joined to the beginning.
    site.upstream.put("pool/a.deb", served);
    let host = site.edge.organization.host();
    let connection = site.client(&host).connection().await.expect("connected");
    let (answer, mut stream) = connection
        .payload(site.request("pool/a.deb"))
        .await
        .expect("answered");
    assert_eq!(answer.status, 200);
    let mut got = Vec::new();
    let ended = within(stream.read_to_end(&mut got)).await;
    assert!(ended.is_err() && got.len() < 500_000);
}

#[tokio::test]
async fn sessions_and_enrolments_pass_through() {
    let site = Site::start().await;
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
    let answer = enrol(&target, &trust, &request, &clock(), &limits())
        .await
        .expect("answered");
    let Some(enrol_answer::Body::Enrolled(enrolled)) = answer.body else {
        panic!("not enrolled");
    };
    let host = Identity::new(enrolled.certificate_der, key);

    let candidates = vec![Candidate::Relay {
        site: site.client(&host),
    }];
    let trust = PlatformTrust::Roots(vec![site.edge.platform.der.clone().into()]);
    let mut options = SessionOptions::new(candidates, host, trust, clock());
    options.limits = limits();
    let mut session = SessionClient::connect(options, |_| Hello::default());
    let Some(SessionEvent::Up { carrier, .. }) = within(session.next()).await else {
        panic!("not up");
    };
    assert_eq!(carrier, CarrierKind::Relay);
    let facts = HostFacts {
        hostname: "a-host".into(),
        ..HostFacts::default()
    };
    session
        .handle()
        .send(agent_message::Body::Facts(facts))
        .expect("room");
    let Some(SessionEvent::Message(message)) = within(session.next()).await else {
        panic!("no message");
    };
    let Some(edge_message::Body::ScanNow(scan)) = message.body else {
        panic!("another message");
    };
    assert_eq!(scan.reason, "a-host");
    let counted = site.relay.status().expect("status").counted;
    assert_eq!((counted.agents, counted.sessions), (1, 1));
    drop(session);
    let gone = async {
        while site.relay.status().expect("status").counted.sessions > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(gone).await;
}

#[tokio::test]
async fn a_stranger_gets_nothing() {
    let site = Site::start().await;
    site.upstream.put_bytes("pool/a.deb", b"a");
    let stranger = Authority::new().host();
    let asked = async {
        let connection = site.client(&stranger).connection().await?;
        connection.payload(site.request("pool/a.deb")).await
    };
    assert!(within(asked).await.is_err());
    assert!(site.upstream.requests().is_empty());
}

#[tokio::test]
async fn without_the_edge_the_cache_serves_on_and_the_link_comes_back() {
    let mut site = Site::start().await;
    site.upstream.put_bytes("pool/a.deb", b"a package");
    let host = site.edge.organization.host();
    let get = async |site: &Site| {
        let connection = site.client(&host).connection().await.expect("connected");
        let (answer, mut stream) = connection
            .payload(site.request("pool/a.deb"))
            .await
            .expect("answered");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.expect("whole");
        (answer.status, got)
    };
    let whole = (200, b"a package".to_vec());
    assert_eq!(get(&site).await, whole);
    site.kept().await;

    // The edge dies, then the relay: a new one on the same folder knows the site's settings and its payloads.
    let (platform, organization) = (site.edge.platform.clone(), site.edge.organization.clone());
    let (at, settings) = (
        site.edge.address,
        site.edge.desk.settings.lock().unwrap().clone(),
    );
    drop(site.edge);
    drop(site.relay);
    site.relay = Relay::start(site.data.clone(), &config(), clock(), limits()).expect("starts");
    site.edge = Edge::start_at(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        platform.clone(),
        organization.clone(),
    )
    .await;
    assert_eq!(get(&site).await, whole);
    assert_eq!(site.upstream.requests().len(), 1);
    assert_eq!(
        site.relay.status().expect("status").state.as_str(),
        "offline"
    );

    site.edge = Edge::start_at(at, platform, organization).await;
    *site.edge.desk.settings.lock().unwrap() = settings;
    within(site.relay.online()).await;
    assert_eq!(
        site.relay.status().expect("status").state.as_str(),
        "online"
    );
}
