//! Differences between two versions of a package, from what a host reports to the recipe that a relay gets, over the real services
//! and a real repository.

use crate::sandbox::{Sandbox, Topology};
use netpatch_auth::{EnrolmentTokenCreate, OrganizationKind, SiteCreate};
use netpatch_delta::{Limits, Pair, rebuild};
use netpatch_gateway::ingress::{
    Ingress, Options, PlatformParts, PlatformServices, Recipe, Services as _,
};
use netpatch_inventory_api::{
    ApplicabilityReport, HostFacts, HostRegister, InstallableUpdate, PayloadSource, UpdateState,
};
use netpatch_protocol::site::PayloadRequest;
use netpatch_protocol::site::{DeltaBase, DeltaRequest};
use netpatch_relay::{Config, DataDir, Enrolment, Relay};
use netpatch_storage::bus;
use netpatch_testkit::poll_until;
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::{Identity, Limits as TunnelLimits, SiteClient, TunnelError};
use netpatch_types::{
    Ecosystem, ErrorCode, HostId, Labels, OrganizationId, RelayId, RequestContext, Sha256, SiteId,
};
use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(60);
pub(crate) const OLD: &str = "pool/thing_1_all.deb";
pub(crate) const NEW: &str = "pool/thing_2_all.deb";

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;
type Asked = Arc<Mutex<Vec<String>>>;
type HeldUp = Arc<Mutex<Option<String>>>;

/// A repository over HTTP, and what it was asked for.
pub(crate) struct Repository {
    pub(crate) base: String,
    files: Files,
    asked: Asked,
    held_up: HeldUp,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

impl Repository {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/debian", listener.local_addr().unwrap());
        let (files, asked) = (Files::default(), Asked::default());
        let held_up = HeldUp::default();
        let shared = (files.clone(), asked.clone(), held_up.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self {
            base,
            files,
            asked,
            held_up,
            _task: tokio_util::task::AbortOnDropHandle::new(task),
        }
    }

    /// Whoever asks for this waits, until another is named or none.
    pub(crate) fn hold_up(&self, path: Option<&str>) {
        *self.held_up.lock().unwrap() = path.map(|path| format!("/debian/{path}"));
    }

    /// The vendor takes it away.
    pub(crate) fn remove(&self, path: &str) {
        let path = format!("/debian/{path}");
        self.files.lock().unwrap().remove(&path);
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = format!("/debian/{path}");
        self.files.lock().unwrap().insert(path, bytes.to_vec());
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let path = format!("/debian/{path}");
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| **one == path).count()
    }
}

async fn answer(
    stream: TcpStream,
    (files, asked, held_up): (Files, Asked, HeldUp),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut path = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    asked.lock().unwrap().push(path.clone());
    while held_up.lock().unwrap().as_ref() == Some(&path) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let found = files.lock().unwrap().get(&path).cloned();
    let (status, body) = match found {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.flush().await
}

/// Two versions of a package, built by dpkg-deb.
pub(crate) fn versions() -> (Vec<u8>, Vec<u8>) {
    (deb(1), deb(2))
}

fn deb(version: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(root.join("usr/share/thing")).unwrap();
    let control = format!(
        "Package: thing\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: thing\n"
    );
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    let mut state = 7u32;
    let mut content = String::new();
    for line in 0..40_000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let changed = if line % 997 == 0 { version } else { 0 };
        content.push_str(&format!("{line} {:x} {changed}\n", state >> 12));
    }
    fs::write(root.join("usr/share/thing/data"), content).unwrap();
    let deb = folder.path().join("thing.deb");
    let built = Command::new("dpkg-deb")
        .args(["-Zxz", "--root-owner-group", "-b"])
        .args([&root, &deb])
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    fs::read(deb).unwrap()
}

/// An organization with a site that has the repository.
pub(crate) struct Place {
    pub(crate) ctx: RequestContext,
    pub(crate) organization: OrganizationId,
    pub(crate) site: SiteId,
}

pub(crate) async fn place(sandbox: &Sandbox, name: &str, upstreams: Vec<String>) -> Place {
    let platform = sandbox.system(OrganizationId(uuid::Uuid::now_v7()));
    let auth = &sandbox.roles.auth;
    let made = auth.organization_create(&platform, name, OrganizationKind::Customer, None);
    let organization = made.await.unwrap().id;
    let ctx = sandbox.system(organization);
    let site = SiteCreate {
        name: "Berlin".into(),
        time_zone: "Europe/Berlin".into(),
        direct_allowed: true,
        upstreams,
    };
    let site = auth.site_create(&ctx, site).await.unwrap().id;
    Place {
        ctx,
        organization,
        site,
    }
}

/// A relay's claim token, as it is typed.
pub(crate) async fn relay_token(sandbox: &Sandbox, place: &Place) -> String {
    let token = EnrolmentTokenCreate {
        site: place.site,
        labels: Labels::new(),
        for_relay: true,
        max_uses: 1,
        ttl_seconds: 600,
    };
    let auth = &sandbox.roles.auth;
    let made = auth.enrolment_token_create(&place.ctx, token).await;
    made.unwrap().1
}

pub(crate) async fn relay(sandbox: &Sandbox, place: &Place) -> RelayId {
    let auth = &sandbox.roles.auth;
    let text = relay_token(sandbox, place).await;
    let secret = text.split('.').nth(1).unwrap();
    let request = certificate_request(&generate_key().unwrap()).unwrap();
    let joined = auth.relay_enrol(secret, "box", "one", "1", &request).await;
    joined.unwrap().0
}

/// A host that says that it could install a payload, and where it lies.
pub(crate) async fn host_wants(sandbox: &Sandbox, place: &Place, new: &[u8], url: &str) {
    let inventory = &sandbox.roles.inventory;
    let name = uuid::Uuid::now_v7().to_string();
    let register = HostRegister {
        id: HostId::new(sandbox.clock.now()),
        site: place.site,
        facts: HostFacts {
            hostname: name.clone(),
            machine_id: Sha256::of(name.as_bytes()).to_string(),
            os_id: "debian".into(),
            os_version: "12".into(),
            os_release: "bookworm".into(),
            arch: "amd64".into(),
            ..HostFacts::default()
        },
        labels: Labels::new(),
    };
    let host = inventory.host_register(&place.ctx, register).await;
    let update = InstallableUpdate {
        name: "thing".into(),
        arch: "all".into(),
        installed_version: "1".into(),
        candidate_version: "2".into(),
        source: "thing".into(),
        source_version: "2".into(),
        sha256: Sha256::of(new),
        size_bytes: new.len() as u64,
        origin: "Debian".into(),
        suite: "bookworm-security".into(),
        label: "Debian-Security".into(),
        state: UpdateState::Installable,
        phased_percent: 0,
        section: "utils".into(),
        requires: Vec::new(),
        ecosystem: Ecosystem::Deb,
        errata: Vec::new(),
        security: false,
    };
    let report = ApplicabilityReport {
        host: host.unwrap().id,
        manifest: Sha256::default(),
        updates: vec![update],
        problem: String::new(),
        sources: vec![PayloadSource {
            sha256: Sha256::of(new),
            url: url.to_owned(),
        }],
    };
    let taken = inventory.applicability_report(&place.ctx, report).await;
    taken.unwrap();
}

pub(crate) fn services(sandbox: &Sandbox) -> PlatformServices {
    let roles = &sandbox.roles;
    PlatformServices::new(PlatformParts {
        auth: roles.auth.clone(),
        inventory: roles.inventory.clone(),
        policy: roles.policy.clone(),
        scheduler: roles.scheduler.clone(),
        reporting: roles.reporting.clone(),
        blobs: roles.blobs.clone(),
    })
}

fn request(repository: &str, base: &[u8]) -> DeltaRequest {
    DeltaRequest {
        repository: repository.to_owned(),
        path: NEW.into(),
        sha256: Vec::new(),
        bases: vec![DeltaBase {
            repository: repository.to_owned(),
            path: OLD.into(),
            sha256: Sha256::of(base).0.to_vec(),
        }],
    }
}

fn rebuilt(old: &[u8], new: &[u8], recipe: &Recipe) -> Vec<u8> {
    let pair = Pair {
        old: Sha256::of(old),
        new: Sha256::of(new),
        new_bytes: new.len() as u64,
    };
    assert_eq!(recipe.found.base, pair.old.0);
    assert_eq!(recipe.found.sha256, pair.new.0);
    rebuild(old, &recipe.bytes, &pair, &Limits::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_is_made_once_for_a_pair_that_was_asked_for() {
    for topology in [Topology::Direct, Topology::Rpc] {
        let (sandbox, repository) = (Sandbox::new(topology).await, Repository::start().await);
        sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
        let (old, new) = versions();
        repository.put(OLD, &old);
        repository.put(NEW, &new);
        let upstreams = vec![repository.base.clone()];
        let (one, two) = (
            place(&sandbox, "One", upstreams.clone()).await,
            place(&sandbox, "Two", upstreams.clone()).await,
        );
        let edge = services(&sandbox);
        let (first, second) = (relay(&sandbox, &one).await, relay(&sandbox, &two).await);
        let asked = request(&repository.base, &old);
        let ask = async |place: &Place, relay: RelayId, asked: &DeltaRequest| {
            edge.delta(place.organization, relay, asked.clone()).await
        };
        // Nobody has said what lies there.
        assert_eq!(ask(&one, first, &asked).await, Ok(None));
        let url = format!("{}/{NEW}", repository.base);
        host_wants(&sandbox, &one, &new, &url).await;
        assert_eq!(ask(&one, first, &asked).await, Ok(None), "not yet");
        let recipe = poll_until("the difference", SOON, async || {
            ask(&one, first, &asked).await.unwrap()
        })
        .await;
        assert!(
            recipe.bytes.len() < new.len() / 10,
            "{}",
            recipe.bytes.len()
        );
        assert!(rebuilt(&old, &new, &recipe) == new);
        assert_eq!((repository.asked(OLD), repository.asked(NEW)), (1, 1));

        // Another organization, whose hosts named nothing, gets nothing; and then what is there already.
        assert_eq!(ask(&two, second, &asked).await, Ok(None));
        host_wants(&sandbox, &two, &new, &url).await;
        let same = ask(&two, second, &asked).await.unwrap().unwrap();
        assert_eq!(same, recipe);
        assert_eq!(repository.asked(NEW), 1, "made once");
        // A relay of one organization is none of the other.
        let wrong = ask(&two, first, &asked).await.unwrap_err();
        assert_eq!(wrong.code, ErrorCode::NotFound);

        // Only what is wanted, from what is held, inside the site's repositories.
        let mut other = asked.clone();
        other.sha256 = Sha256::of(b"other").0.to_vec();
        assert_eq!(ask(&one, first, &other).await, Ok(None));
        let mut other = asked.clone();
        other.bases[0].sha256 = Sha256::of(b"other").0.to_vec();
        assert_eq!(ask(&one, first, &other).await, Ok(None));
        let mut other = asked.clone();
        other.repository = "http://elsewhere.example/debian".into();
        assert_eq!(ask(&one, first, &other).await, Ok(None));
        let mut other = asked.clone();
        other.sha256 = vec![1; 5];
        let refused = ask(&one, first, &other).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadUserInput);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_lies_about_a_hash_and_a_base_that_is_gone_make_no_difference() {
    let (sandbox, repository) = (
        Sandbox::new(Topology::Direct).await,
        Repository::start().await,
    );
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let (old, new) = versions();
    repository.put(NEW, &new);
    let place = place(&sandbox, "One", vec![repository.base.clone()]).await;
    let edge = services(&sandbox);
    let relay = relay(&sandbox, &place).await;
    let url = format!("{}/{NEW}", repository.base);
    // It names another hash for what lies there.
    host_wants(&sandbox, &place, b"something else", &url).await;
    let asked = request(&repository.base, &old);
    let ask = async || {
        let found = edge.delta(place.organization, relay, asked.clone()).await;
        found.unwrap()
    };
    assert_eq!(ask().await, None);
    poll_until("that it was fetched", SOON, async || {
        (repository.asked(NEW) == 1).then_some(())
    })
    .await;
    // An honest host beside it: the base is asked for and is not there.
    host_wants(&sandbox, &place, &new, &url).await;
    poll_until("that the base was asked for", SOON, async || {
        assert_eq!(ask().await, None);
        (repository.asked(OLD) == 1).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ask().await, None);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(repository.asked(OLD), 1, "not again and again");
    assert!(
        sandbox
            .roles
            .blobs
            .list("deltas/")
            .await
            .unwrap()
            .is_empty()
    );
}

/// A relay of the place, running; its folder goes with it.
pub(crate) async fn running_relay(
    sandbox: &Sandbox,
    place: &Place,
    edge: &str,
) -> (Relay, tempfile::TempDir) {
    let anywhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    running_relay_at(sandbox, place, edge, anywhere).await
}

/// The same at an address that it tells the platform, unless it is any port.
pub(crate) async fn running_relay_at(
    sandbox: &Sandbox,
    place: &Place,
    edge: &str,
    listen: std::net::SocketAddr,
) -> (Relay, tempfile::TempDir) {
    let auth = &sandbox.roles.auth;
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    let text = relay_token(sandbox, place).await;
    let secret = text.split('.').nth(1).unwrap();
    let request = certificate_request(&data.key().unwrap()).unwrap();
    let joined = auth.relay_enrol(secret, "box", "one", "1", &request).await;
    let (id, issued) = joined.unwrap();
    let enrolment = Enrolment {
        server: edge.to_owned(),
        organization_id: place.organization.to_string(),
        relay_id: id.to_string(),
        site_id: place.site.to_string(),
        certificate: issued.certificate_der,
        ca: issued.ca_der.clone(),
        platform_root: auth.platform_root().unwrap(),
    };
    data.save_enrolment(&enrolment).unwrap();
    let config = Config {
        listen,
        advertise: match listen.port() {
            0 => String::new(),
            _ => listen.to_string(),
        },
        metrics_listen: None,
        report_seconds: 1,
        // Where tests have their blob store.
        platform_store_hosts: vec!["127.0.0.1".into()],
        ..Config::load(None).unwrap()
    };
    let limits = TunnelLimits::default();
    let mut relay = Relay::start(data, &config, sandbox.clock.clone(), limits).unwrap();
    relay.online().await;
    (relay, folder)
}

/// A relay of the place, running, and a host that asks it.
pub(crate) struct Site {
    pub(crate) relay: Relay,
    client: SiteClient,
    _folder: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn start(sandbox: &Sandbox, place: &Place, edge: &str) -> Self {
        let auth = &sandbox.roles.auth;
        let (relay, folder) = running_relay(sandbox, place, edge).await;
        let limits = TunnelLimits::default();
        let key = generate_key().unwrap();
        let request = certificate_request(&key).unwrap();
        let host = HostId::new(sandbox.clock.now());
        let issued = auth.host_enrol(place.organization, host, &request).await;
        let issued = issued.unwrap();
        let client = SiteClient::new(
            relay.local_addr().unwrap().to_string(),
            issued.ca_der,
            Identity::new(issued.certificate_der, key),
            sandbox.clock.clone(),
            limits,
        );
        Self {
            relay,
            client,
            _folder: folder,
        }
    }

    async fn get(&self, repository: &str, path: &str) -> Vec<u8> {
        self.ask(repository, path, &[]).await.expect("payload")
    }

    /// As an agent asks whose plan names the hash.
    pub(crate) async fn get_known(
        &self,
        repository: &str,
        path: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, u32> {
        self.ask(repository, path, &Sha256::of(bytes).0).await
    }

    async fn ask(&self, repository: &str, path: &str, sha256: &[u8]) -> Result<Vec<u8>, u32> {
        let connection = self.client.connection().await.unwrap();
        let request = PayloadRequest {
            repository: repository.to_owned(),
            path: path.to_owned(),
            sha256: sha256.to_vec(),
            ..PayloadRequest::default()
        };
        let (answer, mut stream) = match connection.payload(request).await {
            Ok(answered) => answered,
            Err(TunnelError::Refused { status, .. }) => return Err(status),
            Err(error) => panic!("{error}"),
        };
        if answer.status != 200 {
            return Err(answer.status);
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Ok(bytes)
    }

    async fn kept(&self, payloads: usize) {
        poll_until("that it is kept", SOON, async || {
            (self.relay.status().unwrap().payloads == payloads).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_site_gets_a_new_version_over_its_line_for_few_bytes() {
    let (sandbox, repository) = (
        Sandbox::new(Topology::Direct).await,
        Repository::start().await,
    );
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let (old, new) = versions();
    repository.put(OLD, &old);
    repository.put(NEW, &new);
    let place = place(&sandbox, "One", vec![repository.base.clone()]).await;
    let url = format!("{}/{NEW}", repository.base);
    host_wants(&sandbox, &place, &new, &url).await;
    let ingress = Ingress::bind(
        "127.0.0.1:0".parse().unwrap(),
        Arc::new(services(&sandbox)),
        bus::connect("memory:").await.unwrap(),
        sandbox.clock.clone(),
        Options::default(),
    )
    .unwrap();
    let edge = ingress.local_addr().unwrap().to_string();
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(ingress.run(stop));

    // The first relay that asks takes the whole file, and a difference is made meanwhile.
    let first = Site::start(&sandbox, &place, &edge).await;
    let base = repository.base.as_str();
    assert!(first.get(base, OLD).await == old);
    first.kept(1).await;
    assert!(first.get(base, NEW).await == new);
    let counted = first.relay.status().unwrap().counted;
    assert_eq!(counted.bytes_fetched, (old.len() + new.len()) as u64);
    assert_eq!(counted.deltas, 0);
    poll_until("the difference", SOON, async || {
        let made = sandbox.roles.blobs.list("deltas/recipe/").await.unwrap();
        (!made.is_empty()).then_some(())
    })
    .await;

    let second = Site::start(&sandbox, &place, &edge).await;
    assert!(second.get(base, OLD).await == old);
    second.kept(1).await;
    let asked = repository.asked(NEW);
    assert!(second.get(base, NEW).await == new);
    let counted = second.relay.status().unwrap().counted;
    let line = counted.bytes_fetched - old.len() as u64;
    assert_eq!((counted.deltas, counted.recipe_bytes), (1, line));
    assert!(line < new.len() as u64 / 10, "{line} of {}", new.len());
    assert_eq!(repository.asked(NEW), asked, "not from its origin");
    // The platform hears what came over the line, so that what was saved is counted in.
    poll_until("the reports", SOON, async || {
        let relays = sandbox.roles.auth.relay_list(&place.ctx).await.unwrap();
        let saved = |one: &netpatch_auth::Relay| one.saved_bytes() == new.len() as u64 - line;
        relays.iter().any(saved).then_some(())
    })
    .await;
}
