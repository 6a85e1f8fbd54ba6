//! Payloads that the platform keeps, from what a host reports to the bytes that a site gets when its mirror has them no more, over the real
//! services, with the embedded blob store and with a real S3 server.

use crate::delta::{
    NEW, Place, Repository, Site, host_wants, place, relay, relay_token, services, versions,
};
use crate::sandbox::{Sandbox, Topology};
use netpatch_gateway::ingress::{Ingress, Options, Services as _, StoredPayload};
use netpatch_inventory_api::{PayloadsStore, StoredPayloadGet};
use netpatch_protocol::site::{StoredRequest, stream_open};
use netpatch_storage::bus;
use netpatch_testkit::{S3Server, has_s3_keys, poll_until};
use netpatch_tunnel::identity::{certificate_request, generate_key};
use netpatch_tunnel::{Identity, Limits, PlatformTrust, RelayUplink, TunnelError};
use netpatch_types::{ErrorCode, RelayId, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

const SOON: Duration = Duration::from_secs(60);

fn request(repository: &str, bytes: &[u8]) -> StoredRequest {
    StoredRequest {
        repository: repository.to_owned(),
        path: NEW.into(),
        sha256: Sha256::of(bytes).0.to_vec(),
        offset: 0,
    }
}

async fn edge(sandbox: &Sandbox) -> (String, DropGuard) {
    edge_with(sandbox, Options::default()).await
}

async fn edge_with(sandbox: &Sandbox, options: Options) -> (String, DropGuard) {
    let ingress = Ingress::bind(
        "127.0.0.1:0".parse().unwrap(),
        Arc::new(services(sandbox)),
        bus::connect("memory:").await.unwrap(),
        sandbox.clock.clone(),
        options,
    )
    .unwrap();
    let address = ingress.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    tokio::spawn(ingress.run(stop.clone()));
    (address, stop.drop_guard())
}

/// The platform keeps what hosts of the place want.
pub(crate) async fn kept(sandbox: &Sandbox, place: &Place, url: &str, bytes: &[u8]) {
    let payload = StoredPayloadGet {
        url: url.to_owned(),
        sha256: Sha256::of(bytes),
    };
    let inventory = &sandbox.roles.inventory;
    let store = PayloadsStore {
        payloads: vec![payload.clone()],
    };
    inventory.payloads_store(&place.ctx, store).await.unwrap();
    poll_until("that it is kept", SOON, async || {
        let found = inventory.stored_payload_get(&place.ctx, payload.clone());
        found.await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_is_kept_for_those_whose_hosts_named_it_and_from_where_it_was_found() {
    for topology in [Topology::Direct, Topology::Rpc] {
        let (sandbox, repository) = (Sandbox::new(topology).await, Repository::start().await);
        sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
        let (_, new) = versions();
        repository.put(NEW, &new);
        repository.put("secret/pool/thing_2_all.deb", &new);
        let upstreams = vec![repository.base.clone()];
        let (one, two) = (
            place(&sandbox, "One", upstreams.clone()).await,
            place(&sandbox, "Two", upstreams.clone()).await,
        );
        let edge = services(&sandbox);
        let (first, second) = (relay(&sandbox, &one).await, relay(&sandbox, &two).await);
        let ask = async |place: &Place, relay: RelayId, asked: &StoredRequest| {
            let found = edge
                .stored(place.organization, relay, asked.clone())
                .await?;
            let Some(StoredPayload::Bytes(mut reading)) = found else {
                return Ok(None);
            };
            let mut bytes = Vec::new();
            reading.bytes.read_to_end(&mut bytes).await.unwrap();
            Ok::<_, netpatch_types::ServiceError>(Some(bytes))
        };
        let asked = request(&repository.base, &new);
        // Nobody has named it: it is neither there nor fetched.
        assert_eq!(ask(&one, first, &asked).await, Ok(None));
        let url = format!("{}/{NEW}", repository.base);
        host_wants(&sandbox, &one, &new, &url).await;
        assert_eq!(ask(&one, first, &asked).await, Ok(None), "not yet");
        let bytes = poll_until("that it is kept", SOON, async || {
            ask(&one, first, &asked).await.unwrap()
        })
        .await;
        assert!(bytes == new);
        assert_eq!(repository.asked(NEW), 1);
        // The rest of it.
        let rest = StoredRequest {
            offset: 1_000,
            ..asked.clone()
        };
        assert!(ask(&one, first, &rest).await.unwrap().unwrap() == new[1_000..]);
        for offset in [new.len() as u64, 1 << 40, u64::MAX] {
            let beyond = StoredRequest {
                offset,
                ..asked.clone()
            };
            assert_eq!(ask(&one, first, &beyond).await, Ok(None), "{offset}");
        }

        // Another organization, whose hosts named nothing, gets nothing.
        assert_eq!(ask(&two, second, &asked).await, Ok(None));
        // Who only knows its hash, and says that it lies elsewhere, gets nothing until it was found there.
        let guessed = format!("{}/guessed/{NEW}", repository.base);
        host_wants(&sandbox, &two, &new, &guessed).await;
        let mut elsewhere = asked.clone();
        elsewhere.path = format!("guessed/{NEW}");
        assert_eq!(ask(&two, second, &elsewhere).await, Ok(None));
        assert_eq!(ask(&two, second, &asked).await, Ok(None));
        poll_until("that it was looked for", SOON, async || {
            (repository.asked(&format!("guessed/{NEW}")) == 1).then_some(())
        })
        .await;
        for _ in 0..5 {
            assert_eq!(ask(&two, second, &elsewhere).await, Ok(None));
        }
        // And then what is there already.
        host_wants(&sandbox, &two, &new, &url).await;
        assert!(ask(&two, second, &asked).await.unwrap().unwrap() == new);
        assert_eq!(repository.asked(NEW), 1, "fetched once");
        // A relay of one organization is none of the other.
        let wrong = ask(&two, first, &asked).await.unwrap_err();
        assert_eq!(wrong.code, ErrorCode::NotFound);

        // Only inside the site's repositories, and only by a hash.
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
async fn a_site_gets_what_its_mirror_has_no_more_over_the_one_connection() {
    let (sandbox, repository) = (
        Sandbox::new(Topology::Direct).await,
        Repository::start().await,
    );
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let (_, new) = versions();
    repository.put(NEW, &new);
    let place = place(&sandbox, "One", vec![repository.base.clone()]).await;
    let url = format!("{}/{NEW}", repository.base);
    host_wants(&sandbox, &place, &new, &url).await;
    kept(&sandbox, &place, &url, &new).await;
    repository.remove(NEW);
    let (edge, _stop) = edge(&sandbox).await;
    let site = Site::start(&sandbox, &place, &edge).await;
    let got = site.get_known(&repository.base, NEW, &new).await;
    assert!(got == Ok(new.clone()));
    poll_until("that it is held", SOON, async || {
        (site.relay.status().unwrap().payloads == 1).then_some(())
    })
    .await;
    let counted = site.relay.status().unwrap().counted;
    assert_eq!(
        (counted.stored, counted.bytes_fetched),
        (1, new.len() as u64)
    );
    // Which it reports.
    poll_until("the report", SOON, async || {
        let relays = sandbox.roles.auth.relay_list(&place.ctx).await.unwrap();
        relays.iter().any(|relay| relay.stored == 1).then_some(())
    })
    .await;
    // What the platform does not keep either is not there.
    let none = site.get_known(&repository.base, "pool/other_1_all.deb", b"other");
    assert_eq!(none.await, Err(404));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_gets_what_its_mirror_has_no_more_from_a_real_store_by_its_address() {
    let own = "stored::a_site_gets_what_its_mirror_has_no_more_from_a_real_store_by_its_address";
    if !has_s3_keys(own).await {
        return;
    }
    let (server, repository) = (S3Server::start().await, Repository::start().await);
    let sandbox = Sandbox::with_blobs(Topology::Direct, &server.address()).await;
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let (old, new) = versions();
    let second = "pool/thing_3_all.deb";
    repository.put(NEW, &new);
    repository.put(second, &old);
    let place = place(&sandbox, "One", vec![repository.base.clone()]).await;
    for (path, bytes) in [(NEW, &new), (second, &old)] {
        let url = format!("{}/{path}", repository.base);
        host_wants(&sandbox, &place, bytes, &url).await;
        kept(&sandbox, &place, &url, bytes).await;
    }
    repository.remove(NEW);
    let (edge, _stop) = edge(&sandbox).await;
    let site = Site::start(&sandbox, &place, &edge).await;
    let before = server.asked().len();
    let got = site.get_known(&repository.base, NEW, &new).await;
    assert!(got == Ok(new.clone()));
    poll_until("that it is held", SOON, async || {
        (site.relay.status().unwrap().payloads == 1).then_some(())
    })
    .await;
    let file = format!(
        "/bucket/payloads/file/{}/",
        &Sha256::of(&new).to_string()[..2]
    );
    let fetched = |asked: &[String]| {
        let gets = asked.iter().filter(|line| line.starts_with("GET"));
        gets.filter(|line| line.contains(&file)).count()
    };
    assert_eq!(
        fetched(&server.asked()[before..]),
        1,
        "{:?}",
        server.asked()
    );
    assert_eq!(site.relay.status().unwrap().counted.stored, 1);
    // While the store is down the mirror is enough; and what is nowhere comes when the store is back.
    server.set_down(true);
    let got = site.get_known(&repository.base, second, &old).await;
    assert!(got == Ok(old.clone()));
    assert_eq!(site.relay.status().unwrap().counted.stored, 1);
    let (other, _stop) = (Site::start(&sandbox, &place, &edge).await, ());
    let got = other.get_known(&repository.base, NEW, &new).await;
    assert!(got.is_err());
    server.set_down(false);
    // A store that hangs is told in time too, before a host gives up its relay's answer.
    server.set_silent(true);
    let got = other.get_known(&repository.base, NEW, &new).await;
    assert!(got.is_err());
    server.set_silent(false);
    let got = other.get_known(&repository.base, NEW, &new).await;
    assert!(got == Ok(new));
}

/// A relay of the place that asks for what it is told to, and nothing else.
async fn link(sandbox: &Sandbox, place: &Place, edge: &str) -> RelayUplink {
    let auth = &sandbox.roles.auth;
    let text = relay_token(sandbox, place).await;
    let secret = text.split('.').nth(1).unwrap();
    let key = generate_key().unwrap();
    let request = certificate_request(&key).unwrap();
    let joined = auth.relay_enrol(secret, "box", "one", "1", &request).await;
    let identity = Identity::new(joined.unwrap().1.certificate_der, key);
    let trust = PlatformTrust::Roots(vec![auth.platform_root().unwrap().into()]);
    let (clock, limits) = (&sandbox.clock, Limits::default());
    let link = RelayUplink::connect(&edge.into(), trust, &identity, clock, limits).await;
    link.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_that_takes_nothing_of_what_it_asked_for_leaves_others_their_places() {
    let (sandbox, repository) = (
        Sandbox::new(Topology::Direct).await,
        Repository::start().await,
    );
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    // More than is under way before anybody reads.
    let large = vec![7; 24 << 20];
    repository.put(NEW, &large);
    let url = format!("{}/{NEW}", repository.base);
    let upstreams = vec![repository.base.clone()];
    let (one, two) = (
        place(&sandbox, "One", upstreams.clone()).await,
        place(&sandbox, "Two", upstreams).await,
    );
    for place in [&one, &two] {
        host_wants(&sandbox, place, &large, &url).await;
    }
    kept(&sandbox, &one, &url, &large).await;
    let options = Options {
        // Who reads nothing keeps its place meanwhile.
        limits: Limits {
            handshake_timeout: SOON,
            ..Limits::default()
        },
        payloads: 4,
        payloads_of_one: 2,
        ..Options::default()
    };
    let (edge, _stop) = edge_with(&sandbox, options).await;
    let (first, beside) = (
        link(&sandbox, &one, &edge).await,
        link(&sandbox, &one, &edge).await,
    );
    let asked = || stream_open::Kind::Stored(request(&repository.base, &large));
    let held = (
        first.open(asked()).await.unwrap(),
        beside.open(asked()).await.unwrap(),
    );
    // Its share is taken, by whichever of its relays.
    for link in [&first, &beside] {
        let refused = link.open(asked()).await.err().expect("a third");
        assert!(
            matches!(refused, TunnelError::Refused { status: 503, .. }),
            "{refused}"
        );
    }
    let other = link(&sandbox, &two, &edge).await;
    let (_, mut stream) = other.open(asked()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == large, "the other one gets its own");
    // Who goes away gives its place back.
    drop(held.0);
    poll_until("a free place", SOON, async || {
        first.open(asked()).await.ok()
    })
    .await;
}
