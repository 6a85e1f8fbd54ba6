//! The program killed in mid-fetch: nobody takes the half for the whole, and the next process serves it.

use crate::front::bytes;
use crate::upstream::{Served, Upstream};
use crate::world::{Edge, clock, limits};
use netpatch_protocol::site::{PayloadRequest, SiteSettings, StoredFound, Upstream as Source};
use netpatch_tunnel::SiteClient;
use netpatch_types::Sha256;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

fn program(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch-relay"));
    command.args(arguments).arg("--data-dir").arg(data);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("in time")
}

/// A running relay that knows its site, and where it listens.
pub(crate) async fn run(data: &Path, listen: &str) -> (Child, String) {
    run_with(data, listen, &[]).await
}

async fn run_with(data: &Path, listen: &str, more: &[&str]) -> (Child, String) {
    let mut command = program(&["run", "--listen", listen], data);
    command.args(more);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = within(lines.next_line()).await.unwrap().unwrap();
    let address = first.strip_prefix("ready listen=").expect(&first);
    let address = address.split(' ').next().unwrap().to_owned();
    let pid = child.id();
    within(async {
        loop {
            let output = program(&["status", "-o", "json"], data).output().await;
            let status: serde_json::Value =
                serde_json::from_slice(&output.unwrap().stdout).unwrap();
            // What a killed process left behind says "online" too.
            if status["state"] == "online" && status["pid"].as_u64() == pid.map(u64::from) {
                break;
            }
        }
    })
    .await;
    (child, address)
}

/// The folder of a relay whose site has one repository.
fn claimed_for(edge: &Edge, upstream: &Upstream) -> tempfile::TempDir {
    *edge.desk.settings.lock().unwrap() = SiteSettings {
        site_id: "a-site".into(),
        upstreams: vec![Source {
            repository: upstream.base.clone(),
            urls: Vec::new(),
        }],
        ..SiteSettings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    edge.claimed(folder.path());
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_during_a_fetch_serves_the_whole_payload_when_it_is_back() {
    let (edge, upstream) = (Edge::start().await, Upstream::start().await);
    let folder = claimed_for(&edge, &upstream);
    let wanted: Vec<u8> = (0..400_000u32).flat_map(u32::to_be_bytes).collect();
    let hold = Arc::new(Notify::new());
    let held = Served {
        body: wanted.clone(),
        etag: "\"v1\"".into(),
        hold: Some(hold.clone()),
        ..Served::default()
    };
    upstream.put("pool/a.deb", held);
    let request = PayloadRequest {
        repository: upstream.base.clone(),
        path: "pool/a.deb".into(),
        ..PayloadRequest::default()
    };
    let host = edge.organization.host();
    let connect = async |address: &str| {
        let ca = edge.organization.der.clone();
        let client = SiteClient::new(address.to_owned(), ca, host.clone(), clock(), limits());
        within(client.connection()).await.expect("connected")
    };

    let (mut relay, address) = run(folder.path(), "127.0.0.1:0").await;
    let connection = connect(&address).await;
    let (answer, mut stream) = within(connection.payload(request.clone())).await.unwrap();
    assert_eq!((answer.status, answer.size_bytes), (200, 1_600_000));
    let mut got = vec![0; 1000];
    within(stream.read_exact(&mut got)).await.unwrap();
    relay.kill().await.unwrap();
    let ended = within(stream.read_to_end(&mut got)).await;
    assert!(ended.is_err(), "half a payload does not look whole");
    assert!(got.len() < wanted.len() && wanted.starts_with(&got));

    let (_relay, again) = run(folder.path(), &address).await;
    assert_eq!(again, address, "where its hosts look for it");
    hold.notify_one();
    let connection = connect(&address).await;
    let (answer, mut stream) = within(connection.payload(request)).await.unwrap();
    assert_eq!((answer.status, answer.from_cache), (200, false));
    let mut whole = Vec::new();
    within(stream.read_to_end(&mut whole)).await.unwrap();
    assert!(whole == wanted);
    assert_eq!(upstream.requests().len(), 2, "{:?}", upstream.requests());
}

/// Killed at many moments while many hosts fetch many payloads: what is held afterwards is what was stored, each byte of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_again_and_again_holds_nothing_wrong() {
    let (edge, upstream) = (Edge::start().await, Upstream::start().await);
    let folder = claimed_for(&edge, &upstream);
    let payload = |n: usize| bytes(1_000 + n * n * 977);
    let path = |n: usize| match n % 5 {
        0 => format!("dists/x/{n}/Packages"),
        _ => format!("pool/{n}.deb"),
    };
    for n in 0..40 {
        upstream.put_bytes(&path(n), &payload(n));
    }
    let host = edge.organization.host();
    let mut address = "127.0.0.1:0".to_owned();
    for round in 0..6_u64 {
        let (mut relay, at) = run(folder.path(), &address).await;
        address = at;
        let ca = edge.organization.der.clone();
        let client = SiteClient::new(address.clone(), ca, host.clone(), clock(), limits());
        let connection = within(client.connection()).await.expect("connected");
        let mut hosts = tokio::task::JoinSet::new();
        for n in 0..40 {
            let request = PayloadRequest {
                repository: upstream.base.clone(),
                path: path(n),
                ..PayloadRequest::default()
            };
            let connection = connection.clone();
            hosts.spawn(async move {
                let (answer, mut stream) = connection.payload(request).await.ok()?;
                let mut got = Vec::new();
                let is_whole = stream.read_to_end(&mut got).await.is_ok();
                Some((n, answer.status, is_whole, got))
            });
        }
        // Another moment in each round: after so many hosts have theirs.
        let mut served = 0;
        while served < round * 7 {
            let (n, status, is_whole, got) = within(hosts.join_next())
                .await
                .expect("hosts")
                .unwrap()
                .expect("an answer");
            assert!(status == 200 && is_whole && got == payload(n), "{n}");
            served += 1;
        }
        relay.kill().await.unwrap();
        while let Some(ended) = within(hosts.join_next()).await {
            // Whoever was cut off does not take what it has for the whole.
            if let Some((n, 200, true, got)) = ended.unwrap() {
                assert!(got == payload(n), "{n}");
            }
        }
        let audit = program(&["cache", "verify", "-o", "json"], folder.path());
        let audit = { audit }.output().await.unwrap();
        let text = String::from_utf8_lossy(&audit.stdout).into_owned();
        let found: serde_json::Value = serde_json::from_str(&text).expect(&text);
        assert_eq!(found["evicted"], serde_json::json!([]), "{text}");
        assert_eq!(audit.status.code(), Some(0), "{text}");
    }
}

/// Killed while a payload comes from the platform's store: the next process asks for an address anew and serves the whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_during_a_fetch_from_the_platforms_store_asks_for_it_again() {
    let (edge, upstream) = (Edge::start().await, Upstream::start().await);
    let folder = claimed_for(&edge, &upstream);
    let configuration = folder.path().join("relay.toml");
    std::fs::write(&configuration, "platform_store_hosts = [\"127.0.0.1\"]\n").unwrap();
    let store = Upstream::start().await;
    let wanted = bytes(1_600_000);
    let hold = Arc::new(Notify::new());
    let held = Served {
        body: wanted.clone(),
        hold: Some(hold.clone()),
        ..Served::default()
    };
    store.put("blob?X-Amz-Signature=1", held);
    *edge.desk.stored.lock().unwrap() = Some(StoredFound {
        url: format!("{}/blob?X-Amz-Signature=1", store.base),
        expires_at_ms: 0,
    });
    let request = PayloadRequest {
        repository: upstream.base.clone(),
        path: "pool/a.deb".into(),
        sha256: Sha256::of(&wanted).0.to_vec(),
        ..PayloadRequest::default()
    };
    let host = edge.organization.host();
    let connect = async |address: &str| {
        let ca = edge.organization.der.clone();
        let client = SiteClient::new(address.to_owned(), ca, host.clone(), clock(), limits());
        within(client.connection()).await.expect("connected")
    };
    let with = ["--config", configuration.to_str().unwrap()];

    let (mut relay, address) = run_with(folder.path(), "127.0.0.1:0", &with).await;
    let connection = connect(&address).await;
    let (answer, mut stream) = within(connection.payload(request.clone())).await.unwrap();
    assert_eq!((answer.status, answer.size_bytes), (200, 1_600_000));
    let mut got = vec![0; 1000];
    within(stream.read_exact(&mut got)).await.unwrap();
    relay.kill().await.unwrap();
    let ended = within(stream.read_to_end(&mut got)).await;
    assert!(ended.is_err(), "half a payload does not look whole");

    let (_relay, _) = run_with(folder.path(), &address, &with).await;
    hold.notify_one();
    let connection = connect(&address).await;
    let (answer, mut stream) = within(connection.payload(request)).await.unwrap();
    assert_eq!((answer.status, answer.from_cache), (200, false));
    let mut whole = Vec::new();
    within(stream.read_to_end(&mut whole)).await.unwrap();
    assert!(whole == wanted);
    assert_eq!(edge.desk.stored_asked.lock().unwrap().len(), 2);
    let audit = program(&["cache", "verify", "-o", "json"], folder.path());
    let audit = { audit }.output().await.unwrap();
    assert_eq!(audit.status.code(), Some(0), "{audit:?}");
}
