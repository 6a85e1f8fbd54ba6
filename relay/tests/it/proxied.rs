//! Payloads through a customer's forward proxy: a real squid, with and without a password, with and without TLS to itself.

use crate::cache::{Cached, bytes};
use crate::front::{settings, within};
use crate::upstream::{Served, Upstream};
use netpatch_relay::cache::Cache;
use netpatch_relay::cache::store::Store;
use netpatch_relay::counters::Counters;
use netpatch_testkit::Squid;
use netpatch_tunnel::Proxies;
use netpatch_types::SystemClock;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::task::AbortOnDropHandle;

const REPOSITORY: &str = "http://deb.example/debian";
const PATH: &str = "pool/a.deb";

fn cached(folder: &Path, proxies: Proxies, urls: &[&str]) -> Cached {
    let counters = Arc::<Counters>::default();
    let store = Store::open(folder).expect("store");
    let clock = SystemClock::shared();
    let cache = Cache::open_behind(proxies, store, 1 << 30, 0, counters.clone(), clock);
    let cache = cache.expect("cache");
    cache.set_upstreams(settings(REPOSITORY, urls));
    Cached { cache, counters }
}

fn proxies(squid: &Squid, user: &str) -> Proxies {
    let proxies = Proxies::through(squid.url(user).parse().expect("a proxy"));
    match squid.authority() {
        b"" => proxies,
        pem => proxies.with_authorities(pem).expect("an authority"),
    }
}

fn port(base: &str) -> u16 {
    let rest = base.trim_start_matches("http://127.0.0.1:");
    let port = rest.trim_end_matches("/debian").parse();
    port.expect("a port")
}

/// The same upstream over TLS, and who has to be trusted for it, in PEM.
async fn over_tls(upstream: &Upstream) -> (u16, String, AbortOnDropHandle<()>) {
    let key = KeyPair::generate().expect("key");
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("certificate");
    let server = ServerConfig::builder_with_provider(netpatch_tunnel::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        );
    let acceptor = TlsAcceptor::from(Arc::new(server.expect("a server")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address").port();
    let to = port(&upstream.base);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                let mut plain = TcpStream::connect(("127.0.0.1", to)).await.ok()?;
                tokio::io::copy_bidirectional(&mut stream, &mut plain)
                    .await
                    .ok()
            });
        }
    });
    (at, certificate.pem(), AbortOnDropHandle::new(task))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payloads_come_through_the_sites_proxy_and_are_resumed_there() {
    let upstream = Upstream::start().await;
    let wanted = bytes(300_000);
    let torn = Served {
        body: wanted.clone(),
        etag: "\"v1\"".into(),
        cut_after: Some(50_000),
        ..Served::default()
    };
    for (is_secured, authenticates) in [(false, false), (true, true)] {
        upstream.put(PATH, torn.clone());
        let ports = [port(&upstream.base)];
        let squid = match is_secured {
            true => Squid::secured(&ports, authenticates).await,
            false => Squid::start(&ports, authenticates).await,
        };
        let user = if authenticates { Squid::KNOWN } else { "" };
        let folder = tempfile::tempdir().unwrap();
        let urls = [upstream.base.as_str()];
        let one = cached(folder.path(), proxies(&squid, user), &urls);
        let got = within(one.get(PATH)).await;
        assert!(got == Ok(wanted.clone()), "{:?}", got.map(|got| got.len()));
        one.kept(1).await;
        let log = squid.log_with(PATH).await;
        assert!(
            log.contains(&format!("GET {}/{PATH}", upstream.base)),
            "{log}"
        );
        // Held it is not asked for again, and what is not there is not there.
        assert!(one.get(PATH).await == Ok(wanted.clone()));
        assert_eq!(within(one.get("pool/none.deb")).await, Err(404));
        if authenticates {
            let folder = tempfile::tempdir().unwrap();
            let before = upstream.requests().len();
            let stranger = cached(folder.path(), proxies(&squid, "agent:sesame@"), &urls);
            assert_eq!(within(stranger.get(PATH)).await, Err(502));
            assert_eq!(upstream.requests().len(), before, "not past it");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mirrors_over_tls_are_reached_through_the_proxy_by_connect() {
    let upstream = Upstream::start().await;
    let wanted = bytes(100_000);
    upstream.put_bytes(PATH, &wanted);
    let (tls, authority, _task) = over_tls(&upstream).await;
    let base = format!("https://127.0.0.1:{tls}/debian");
    let squid = Squid::secured(&[tls], true).await;
    let both = [squid.authority(), authority.as_bytes()].concat();
    let known = Proxies::through(squid.url(Squid::KNOWN).parse().expect("a proxy"));
    let known = known.with_authorities(&both).expect("authorities");
    let folder = tempfile::tempdir().unwrap();
    let one = cached(folder.path(), known, &[&base]);
    assert!(within(one.get(PATH)).await == Ok(wanted.clone()));
    squid.log_with(&format!("CONNECT 127.0.0.1:{tls}")).await;
    // A mirror that nobody vouches for is none, through a proxy too.
    let folder = tempfile::tempdir().unwrap();
    let other = cached(folder.path(), proxies(&squid, Squid::KNOWN), &[&base]);
    assert_eq!(within(other.get(PATH)).await, Err(502));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_excepted_goes_past_the_proxy_and_nothing_reaches_secrets_through_it() {
    let upstream = Upstream::start().await;
    upstream.put_bytes(PATH, b"a");
    let squid = Squid::start(&[port(&upstream.base), 80], false).await;
    let folder = tempfile::tempdir().unwrap();
    let urls = [upstream.base.as_str()];
    let direct = proxies(&squid, "").except("127.0.0.0/8");
    let one = cached(folder.path(), direct, &urls);
    assert_eq!(within(one.get(PATH)).await, Ok(b"a".to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let one = cached(folder.path(), proxies(&squid, ""), &urls);
    for to in ["http://169.254.169.254/latest", "http://10.0.0.1/"] {
        let redirect = Served {
            instead: format!("302 Found\r\nLocation: {to}"),
            ..Served::default()
        };
        upstream.put("pool/b.deb", redirect);
        assert_eq!(within(one.get("pool/b.deb")).await, Err(502), "{to}");
    }
    assert_eq!(within(one.get(PATH)).await, Ok(b"a".to_vec()));
    let log = squid.log_with(PATH).await;
    assert_eq!(log.matches(PATH).count(), 1, "only the second: {log}");
    assert!(
        !log.contains("169.254") && !log.contains("10.0.0.1"),
        "{log}"
    );
    // A proxy that is gone is no reason to go past it.
    let gone = Proxies::through("http://127.0.0.1:1".parse().expect("a proxy"));
    let folder = tempfile::tempdir().unwrap();
    let one = cached(folder.path(), gone, &urls);
    assert_eq!(within(one.get(PATH)).await, Err(502));
}
