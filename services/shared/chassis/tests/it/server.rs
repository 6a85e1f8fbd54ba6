//! The HTTP server: TLS, the peer's address, an orderly end.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use netpatch_chassis::configuration::{Limits, Tls};
use netpatch_chassis::{Server, Sources};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn limits() -> Limits {
    Sources::new().load().unwrap().limits
}

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

async fn who(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.ip().to_string()
}

#[tokio::test]
async fn handlers_see_the_peer_and_large_headers_pass() {
    let server = Server::bind(local(), &limits()).await.unwrap();
    let url = format!("http://{}/", server.addr());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(Router::new().route("/", get(who)), stop.clone()));
    for client in [
        reqwest::Client::builder().http1_only(),
        reqwest::Client::builder().http2_prior_knowledge(),
    ] {
        let client = client.no_proxy().build().unwrap();
        let answer = client
            .get(&url)
            .header("netpatch-context", "x".repeat(60_000))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "127.0.0.1");
    }
    stop.cancel();
    serving.await.unwrap();
    assert!(
        TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/'))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn open_requests_finish_and_no_new_ones_come() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, door) = (Arc::clone(&entered), Arc::clone(&leave));
    let router = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            door.notified().await;
            "done"
        }),
    );
    let server = Server::bind(local(), &limits()).await.unwrap();
    let addr = server.addr();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(router, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = tokio::spawn(client.get(format!("http://{addr}/")).send());
    entered.notified().await;
    stop.cancel();
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    leave.notify_one();
    assert_eq!(
        request.await.unwrap().unwrap().text().await.unwrap(),
        "done"
    );
    serving.await.unwrap();
}

#[tokio::test]
async fn requests_that_never_finish_are_cut() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let router = Router::new().route(
        "/",
        get(move || async move {
            inside.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let server = Server::bind(
        local(),
        &Limits {
            shutdown_ms: 20,
            ..limits()
        },
    )
    .await
    .unwrap();
    let addr = server.addr();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(router, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = tokio::spawn(client.get(format!("http://{addr}/")).send());
    entered.notified().await;
    stop.cancel();
    serving.await.unwrap();
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn a_header_that_never_ends_is_cut() {
    let server = Server::bind(
        local(),
        &Limits {
            http_header_ms: 20,
            ..limits()
        },
    )
    .await
    .unwrap();
    let addr = server.addr();
    let serving = tokio::spawn(server.serve(Router::new(), CancellationToken::new()));
    let mut slow = TcpStream::connect(addr).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), slow.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the connection stays open");
    serving.abort();
}

#[tokio::test]
async fn tls_is_spoken_when_a_certificate_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&cert, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let tls = Tls {
        cert: Some(cert),
        key: Some(key.clone()),
    };
    let server = Server::bind(local(), &limits())
        .await
        .unwrap()
        .with_tls(&tls)
        .unwrap();
    let port = server.addr().port();
    let serving =
        tokio::spawn(server.serve(Router::new().route("/", get(who)), CancellationToken::new()));
    let trusted = reqwest::Certificate::from_pem(issued.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([trusted])
        .build()
        .unwrap();
    let answer = client
        .get(format!("https://localhost:{port}/"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.status(), http::StatusCode::OK);
    serving.abort();

    let absent = Tls {
        cert: Some(folder.path().join("absent.pem")),
        key: Some(key),
    };
    let refused = Server::bind(local(), &limits())
        .await
        .unwrap()
        .with_tls(&absent)
        .unwrap_err();
    assert!(refused.to_string().contains("absent.pem"), "{refused}");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let first = Server::bind(local(), &limits()).await.unwrap();
    let error = Server::bind(first.addr(), &limits()).await.unwrap_err();
    assert!(
        error.to_string().contains(&first.addr().to_string()),
        "{error}"
    );
}
