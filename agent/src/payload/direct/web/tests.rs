use super::*;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use netpatch_testkit::Squid;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// Longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers `/to?URL` with a redirect, `/circle` with one to itself, `/silent` never, anything else with the range and path it was asked for.
async fn serve(tls: Option<TlsAcceptor>) -> (std::net::SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("address");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let http = hyper::server::conn::http1::Builder::new();
                let service = service_fn(respond);
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            let _ = http.serve_connection(TokioIo::new(stream), service).await;
                        }
                    }
                    None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                }
            });
        }
    });
    (address, AbortOnDropHandle::new(task))
}

async fn respond(request: Request<Incoming>) -> http::Result<Response<Full<Bytes>>> {
    let range = request.headers().get(header::RANGE);
    let range = range.and_then(|value| value.to_str().ok()).unwrap_or("-");
    let body = format!("{} {range}", request.uri().path());
    let builder = Response::builder();
    match request.uri().path() {
        "/silent" => std::future::pending().await,
        "/circle" => builder
            .status(307)
            .header(header::LOCATION, "/circle")
            .body(Full::default()),
        "/to" => builder
            .status(302)
            .header(header::LOCATION, request.uri().query().unwrap_or_default())
            .body(Full::default()),
        _ => builder.status(200).body(Full::from(body)),
    }
}

fn web(roots: RootCertStore, without_certificates: Option<String>) -> Web {
    web_through(&Proxies::default(), roots, without_certificates)
}

fn web_through(
    proxies: &Proxies,
    roots: RootCertStore,
    without_certificates: Option<String>,
) -> Web {
    let tls = ClientConfig::builder_with_provider(netpatch_tunnel::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Web::new(
        tls,
        without_certificates,
        proxies,
        &netpatch_types::SystemClock::shared(),
    )
}

fn trusts_nobody() -> Web {
    web(RootCertStore::empty(), Some("none found".into()))
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn redirects_are_followed_with_the_range_and_end_somewhere() {
    let (address, _server) = serve(None).await;
    let web = trusts_nobody();
    let headers = HeaderMap::from_iter([(header::RANGE, "bytes=5-9".parse().expect("value"))]);
    let get = async |path: &str| {
        web.get(&format!("http://{address}{path}"), &headers, PATIENCE)
            .await
    };
    let answer = get("/to?/pool/a.deb").await.expect("an answer");
    assert_eq!(text(answer).await, "/pool/a.deb bytes=5-9");
    assert!(matches!(
        get("/circle").await,
        Err(WebError::TooManyRedirects)
    ));
    assert!(matches!(
        get("/to?ftp://vendor.example.invalid/a").await,
        Err(WebError::Redirect(_))
    ));
}

#[tokio::test]
async fn silence_and_refused_connections_are_named() {
    let (address, server) = serve(None).await;
    let web = trusts_nobody();
    let short = Duration::from_millis(20);
    let silent = web
        .get(
            &format!("http://{address}/silent"),
            &HeaderMap::new(),
            short,
        )
        .await;
    assert!(matches!(silent, Err(WebError::Silent(_))));
    server.abort();
    assert!(server.await.is_err(), "stopped");
    let refused = web
        .get(&format!("http://{address}/"), &HeaderMap::new(), PATIENCE)
        .await
        .expect_err("nobody listens");
    assert!(refused.to_string().contains("refused"), "{refused}");
}

#[tokio::test]
async fn https_needs_a_certificate_that_the_host_trusts() {
    let key = KeyPair::generate().expect("key");
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("certificate");
    let server = ServerConfig::builder_with_provider(netpatch_tunnel::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .expect("a server");
    let (address, _server) = serve(Some(TlsAcceptor::from(Arc::new(server)))).await;
    let url = format!("https://localhost:{}/dists/x", address.port());
    let get = async |web: Web| web.get(&url, &HeaderMap::new(), PATIENCE).await;

    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    let answer = get(web(roots, None)).await.expect("trusted");
    assert_eq!(text(answer).await, "/dists/x -");
    let unknown = get(web(RootCertStore::empty(), None)).await;
    let reason = unknown.expect_err("unknown").to_string();
    assert!(reason.contains("certificate"), "{reason}");
    let nobody = get(trusts_nobody()).await.expect_err("nobody is trusted");
    assert!(nobody.to_string().contains("ca-certificates"), "{nobody}");
}

#[test]
fn references_are_resolved_and_stay_within_tls() {
    let from: Uri = "https://a.example.invalid:8443/debian/pool/x.deb?y=1"
        .parse()
        .expect("a url");
    let to = |location: &str| follow(&from, location).map(|uri| uri.to_string());
    for (location, expected) in [
        ("https://b.example.invalid/x", "https://b.example.invalid/x"),
        ("//b.example.invalid/x", "https://b.example.invalid/x"),
        ("/z?q=2#part", "https://a.example.invalid:8443/z?q=2"),
        ("z.deb", "https://a.example.invalid:8443/debian/pool/z.deb"),
    ] {
        assert_eq!(to(location).expect(location), expected);
    }
    assert!(matches!(
        to("http://b.example.invalid/x"),
        Err(WebError::Downgrade)
    ));
    assert!(matches!(
        to("file:///etc/passwd"),
        Err(WebError::Redirect(_))
    ));
    assert!(matches!(to("https://"), Err(WebError::Redirect(_))));
}

/// A server of TLS for 127.0.0.1, and who has to be trusted for it.
async fn secured() -> (std::net::SocketAddr, RootCertStore, AbortOnDropHandle<()>) {
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
        )
        .expect("a server");
    let (address, task) = serve(Some(TlsAcceptor::from(Arc::new(server)))).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    (address, roots, task)
}

#[tokio::test]
async fn a_sites_proxy_is_asked_for_http_and_leads_through_to_https() {
    let (plain, _plain) = serve(None).await;
    let (tls, roots, _tls) = secured().await;
    let ports = [plain.port(), tls.port()];
    let headers = HeaderMap::from_iter([(header::RANGE, "bytes=5-9".parse().expect("value"))]);
    for (is_secured, authenticates) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let squid = match is_secured {
            true => Squid::secured(&ports, authenticates).await,
            false => Squid::start(&ports, authenticates).await,
        };
        let through = |user: &str| {
            let proxies = Proxies::through(squid.url(user).parse().expect("a proxy"));
            let proxies = match is_secured {
                true => proxies.with_authorities(squid.authority()).expect("one"),
                false => proxies,
            };
            web_through(&proxies, roots.clone(), None)
        };
        let web = through(if authenticates { Squid::KNOWN } else { "" });
        for url in [
            format!("http://{plain}/to?/pool/a.deb"),
            format!("https://{tls}/to?/pool/a.deb"),
        ] {
            let answer = web.get(&url, &headers, PATIENCE).await.expect("an answer");
            assert_eq!(text(answer).await, "/pool/a.deb bytes=5-9", "{url}");
        }
        // squid writes down what has ended.
        drop(web);
        squid
            .log_with(&format!("GET http://{plain}/pool/a.deb"))
            .await;
        let log = squid.log_with(&format!("CONNECT {tls}")).await;
        assert!(!log.contains(&format!("CONNECT {plain}")), "{log}");
        if !authenticates {
            continue;
        }
        // Who shows nothing, or something else, gets nothing and does not go past it.
        for user in ["", "agent:sesame@"] {
            let web = through(user);
            let plain = web
                .get(&format!("http://{plain}/"), &headers, PATIENCE)
                .await;
            assert_eq!(plain.expect("the proxy's answer").status().as_u16(), 407);
            let tls = web
                .get(&format!("https://{tls}/"), &headers, PATIENCE)
                .await;
            let refused = tls.expect_err("refused").to_string();
            assert!(
                refused.contains("407") && !refused.contains("sesame"),
                "{refused}"
            );
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_gone_is_named_and_what_is_excepted_goes_past_it() {
    let (plain, _plain) = serve(None).await;
    let proxies = Proxies::through("http://u:sesame@127.0.0.1:1".parse().expect("a proxy"));
    let url = format!("http://{plain}/a");
    let web = web_through(&proxies, RootCertStore::empty(), None);
    let gone = web.get(&url, &HeaderMap::new(), PATIENCE).await;
    let refused = gone.expect_err("nobody listens").to_string();
    assert!(refused.contains("127.0.0.1:1"), "{refused}");
    assert!(!refused.contains("sesame"), "{refused}");
    let web = web_through(&proxies.except("127.0.0.0/8"), RootCertStore::empty(), None);
    let answer = web.get(&url, &HeaderMap::new(), PATIENCE).await;
    assert_eq!(text(answer.expect("an answer")).await, "/a -");
}
