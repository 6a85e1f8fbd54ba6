//! Who is revoked or in quarantine gets nothing from its relay either, over the real services.

use crate::delta::{OLD, Place, Repository, place, running_relay, services};
use crate::sandbox::{Sandbox, Topology};
use netpatch_gateway::ingress::{Ingress, Options, standing_changed};
use netpatch_inventory_api::{HostFacts, HostRegister, HostUpdate, PresenceReport, Seen};
use netpatch_protocol::site::PayloadRequest;
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_relay::{DataDir, Relay};
use netpatch_storage::bus;
use netpatch_testkit::poll_until;
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::{Identity, Limits, SiteClient, TunnelError};
use netpatch_types::{HostId, Labels, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

/// Well below the look without a hint.
const SOON: Duration = Duration::from_secs(30);

async fn registered(sandbox: &Sandbox, place: &Place) -> HostId {
    let name = uuid::Uuid::now_v7().to_string();
    let register = HostRegister {
        id: HostId::new(sandbox.clock.now()),
        site: place.site,
        facts: HostFacts {
            hostname: name.clone(),
            machine_id: Sha256::of(name.as_bytes()).to_string(),
            ..HostFacts::default()
        },
        labels: Labels::new(),
    };
    let host = sandbox.roles.inventory.host_register(&place.ctx, register);
    host.await.unwrap().id
}

/// A host with a certificate, and the certificate's SHA-256.
async fn enrolled(
    sandbox: &Sandbox,
    place: &Place,
    relay: &Relay,
    host: HostId,
) -> (SiteClient, Sha256) {
    let key = generate_key().unwrap();
    let request = certificate_request(&key).unwrap();
    let auth = &sandbox.roles.auth;
    let issued = auth.host_enrol(place.organization, host, &request).await;
    let issued = issued.unwrap();
    let digest = Sha256::of(&issued.certificate_der);
    let client = SiteClient::new(
        relay.local_addr().unwrap().to_string(),
        issued.ca_der,
        Identity::new(issued.certificate_der, key),
        sandbox.clock.clone(),
        Limits::default(),
    );
    (client, digest)
}

async fn get(client: &SiteClient, repository: &Repository) -> Result<Vec<u8>, TunnelError> {
    let request = PayloadRequest {
        repository: repository.base.clone(),
        path: OLD.into(),
        ..PayloadRequest::default()
    };
    let (answer, mut stream) = client.connection().await?.payload(request).await?;
    assert_eq!(answer.status, 200, "{}", answer.message);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Waits until it is told that this is why. What is under way when the relay ends the connection just breaks.
async fn refused(client: &SiteClient, repository: &Repository, why: &str) {
    poll_until(why, SOON, async || {
        let error = get(client, repository).await.err()?.to_string();
        error.contains(why).then_some(())
    })
    .await;
}

async fn served(client: &SiteClient, repository: &Repository) {
    poll_until("that it is served", SOON, async || {
        get(client, repository).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_turns_away_who_is_revoked_or_in_quarantine_and_nobody_else() {
    for topology in [Topology::Direct, Topology::Rpc] {
        let (sandbox, repository) = (Sandbox::new(topology).await, Repository::start().await);
        sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
        repository.put(OLD, b"a package");
        let upstreams = vec![repository.base.clone()];
        let one = place(&sandbox, "One", upstreams.clone()).await;
        let two = place(&sandbox, "Two", upstreams).await;
        let bus = bus::connect("memory:").await.unwrap();
        let ingress = Ingress::bind(
            "127.0.0.1:0".parse().unwrap(),
            Arc::new(services(&sandbox)),
            bus.clone(),
            sandbox.clock.clone(),
            Options::default(),
        )
        .unwrap();
        let edge = ingress.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        tokio::spawn(ingress.run(stop));
        let (relay, folder) = running_relay(&sandbox, &one, &edge).await;
        let (stolen, cloned) = (
            registered(&sandbox, &one).await,
            registered(&sandbox, &one).await,
        );
        let (old, old_digest) = enrolled(&sandbox, &one, &relay, stolen).await;
        let (clone, _) = enrolled(&sandbox, &one, &relay, cloned).await;
        for client in [&old, &clone] {
            assert_eq!(get(client, &repository).await.unwrap(), b"a package");
        }

        let revoke = async |place: &Place, host: HostId| {
            let person = sandbox.person(place.organization, "operator");
            let name = IdentityName {
                organization: place.organization,
                kind: SubjectKind::Host,
                id: host.0,
            };
            let auth = &sandbox.roles.auth;
            auth.certificates_revoke(&person, name).await.unwrap();
            standing_changed(&*bus, name).await;
        };
        // What happens elsewhere is nobody's business here.
        let elsewhere = registered(&sandbox, &two).await;
        enrolled(&sandbox, &two, &relay, elsewhere).await;
        revoke(&two, elsewhere).await;
        revoke(&one, stolen).await;
        refused(&old, &repository, "revoked").await;
        served(&clone, &repository).await;
        // A person gave it a new token: it keeps its id, and the thief is as far as before.
        let (anew, _) = enrolled(&sandbox, &one, &relay, stolen).await;
        served(&anew, &repository).await;
        get(&old, &repository).await.unwrap_err();
        let list = DataDir::at(folder.path()).refused().unwrap().unwrap();
        let told = list.read().unwrap();
        assert_eq!(told.certificates, [old_digest].into());
        assert!(told.hosts.is_empty());

        let name = IdentityName {
            organization: one.organization,
            kind: SubjectKind::Host,
            id: cloned.0,
        };
        let inventory = &sandbox.roles.inventory;
        let forked = PresenceReport {
            seen: vec![Seen {
                host: cloned,
                at: sandbox.clock.now(),
                relay: None,
                reboot_pending: false,
                forked: true,
            }],
        };
        inventory.presence_report(&one.ctx, forked).await.unwrap();
        standing_changed(&*bus, name).await;
        refused(&clone, &repository, "quarantined").await;
        served(&anew, &repository).await;
        let release = HostUpdate {
            id: cloned,
            if_match: None,
            labels: None,
            site: None,
            release_quarantine: true,
        };
        inventory.host_update(&one.ctx, release).await.unwrap();
        standing_changed(&*bus, name).await;
        served(&clone, &repository).await;
    }
}
