//! The cache as an ordinary HTTP proxy, asked by real clients and by bytes that no client sends.

use crate::upstream::{Served, Upstream};
use netpatch_protocol::site::{SiteSettings, Upstream as Source};
use netpatch_relay::cache::Cache;
use netpatch_relay::cache::store::Store;
use netpatch_relay::counters::Counters;
use netpatch_relay::front;
use netpatch_relay_core::Upstreams;
use netpatch_types::SystemClock;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const REPOSITORY: &str = "http://deb.example/debian";

pub(crate) struct Front {
    pub(crate) upstream: Upstream,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    _task: AbortOnDropHandle<()>,
}

pub(crate) fn settings(repository: &str, urls: &[&str]) -> Upstreams {
    Upstreams::from_settings(&SiteSettings {
        upstreams: vec![Source {
            repository: repository.into(),
            urls: urls.iter().map(|url| (*url).into()).collect(),
        }],
        ..SiteSettings::default()
    })
}

impl Front {
    pub(crate) async fn start(fresh_seconds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        Self {
            folder,
            ..Self::start_in(fresh_seconds, &path).await
        }
    }

    /// With the cache in a folder of the caller's.
    pub(crate) async fn start_in(fresh_seconds: u32, folder: &std::path::Path) -> Self {
        let upstream = Upstream::start().await;
        let counters = Arc::<Counters>::default();
        let store = Store::open(folder).unwrap();
        let clock = SystemClock::shared();
        let cache = Cache::open(store, 1 << 30, fresh_seconds, counters.clone(), clock).unwrap();
        let cache = Arc::new(cache);
        cache.set_upstreams(settings(REPOSITORY, &[&upstream.base]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let allowed = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn(front::serve(cache.clone(), listener, allowed));
        Self {
            upstream,
            cache,
            counters,
            address,
            folder: tempfile::tempdir().unwrap(),
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn client(&self) -> reqwest::Client {
        client(self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.client().get(format!("{REPOSITORY}/{path}")).send();
        let response = response.await.unwrap();
        let status = response.status().as_u16();
        (status, response.bytes().await.unwrap().to_vec())
    }

    /// Sends bytes, and reads until the front hangs up.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until so many payloads are kept: that happens just after the last byte was served.
    pub(crate) async fn kept(&self, payloads: usize) {
        within(async {
            while self.cache.usage().payloads != payloads {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

fn client(proxy: SocketAddr) -> reqwest::Client {
    let proxy = reqwest::Proxy::http(format!("http://{proxy}")).unwrap();
    let client = reqwest::Client::builder().proxy(proxy).build();
    client.unwrap()
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("in time")
}

pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| u8::try_from((n / 3 + n * 7) % 251).unwrap())
        .collect()
}

fn request(path: &str, more: &str) -> String {
    format!("GET {REPOSITORY}/{path} HTTP/1.1\r\nHost: deb.example\r\n{more}\r\n")
}

/// Small ones come from memory, large ones from a file.
#[tokio::test]
async fn a_payload_is_fetched_once_for_all_hosts_whole_in_parts_and_by_head() {
    let front = Front::start(60).await;
    for (n, size) in [0, 1, 4_096, 65_536, 131_073, 3_000_000]
        .into_iter()
        .enumerate()
    {
        let (path, wanted) = (format!("pool/{n}.deb"), bytes(size));
        front.upstream.put(
            &path,
            Served {
                body: wanted.clone(),
                etag: "\"v1\"".into(),
                ..Served::default()
            },
        );
        for round in 0..4 {
            let (status, got) = front.get(&path).await;
            assert!(status == 200 && got == wanted, "{size} {round}");
            front.kept(n + 1).await;
            // So that a change could be seen, and the payload is kept at hand.
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let client = front.client();
        let url = format!("{REPOSITORY}/{path}");
        let head = client.head(&url).send().await.unwrap();
        assert_eq!(head.headers()["content-length"], size.to_string().as_str());
        assert_eq!(head.headers()["etag"], "\"v1\"");
        assert_eq!(head.headers()["x-cache"], "HIT");
        assert!(head.bytes().await.unwrap().is_empty());
        let asked = client.get(&url).header("if-none-match", "\"v1\"").send();
        assert_eq!(asked.await.unwrap().status(), 304);

        let part = async |range: &str, version: &str| {
            let asked = client.get(&url).header("range", range.to_owned());
            let asked = asked.header("if-range", version.to_owned()).send();
            let answer = asked.await.unwrap();
            let status = answer.status().as_u16();
            (status, answer.bytes().await.unwrap().to_vec())
        };
        if size > 1 {
            let (middle, last) = (size / 2, size - 1);
            let expected = (206, wanted[middle..].to_vec());
            assert!(part(&format!("bytes={middle}-"), "\"v1\"").await == expected);
            let expected = (206, wanted[1..=middle].to_vec());
            assert!(part(&format!("bytes=1-{middle}"), "\"v1\"").await == expected);
            assert!(part("bytes=-1", "\"v1\"").await == (206, vec![wanted[last]]));
            assert!(part("bytes=1-", "\"v0\"").await == (200, wanted.clone()));
        }
        let behind = part(&format!("bytes={size}-"), "\"v1\"").await;
        assert_eq!(behind, (416, Vec::new()));
    }
    assert_eq!(front.upstream.requests().len(), 6);
    assert_eq!(front.counters.now().misses, 6);
}

#[tokio::test]
async fn hosts_that_ask_together_share_one_fetch_and_get_bytes_before_its_end() {
    let front = Front::start(60).await;
    let (wanted, hold) = (bytes(2_000_000), Arc::new(Notify::new()));
    front.upstream.put(
        "pool/a.deb",
        Served {
            body: wanted.clone(),
            hold: Some(hold.clone()),
            ..Served::default()
        },
    );
    let mut streams = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        let asked = request("pool/a.deb", "Connection: close\r\n");
        stream.write_all(asked.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let mut answers = Vec::new();
    for mut stream in streams {
        // The upstream holds the second half back.
        let mut first = vec![0; 500_000];
        within(stream.read_exact(&mut first)).await.unwrap();
        answers.push((stream, first));
    }
    hold.notify_one();
    for (mut stream, mut answer) in answers {
        within(stream.read_to_end(&mut answer)).await.unwrap();
        let body = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        assert!(answer[body..] == wanted);
    }
    assert_eq!(front.upstream.requests().len(), 1);
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let front = Front::start(60).await;
    front.upstream.put_bytes("pool/a.deb", b"first");
    front.upstream.put_bytes("pool/b.deb", &bytes(200_000));
    for _ in 0..2 {
        let all = [
            request("pool/a.deb", ""),
            request("pool/absent.deb", ""),
            request("pool/b.deb", "Range: bytes=3-5\r\n"),
            request("pool/a.deb", "Connection: close\r\n"),
            request("pool/b.deb", ""),
        ];
        let answer = front.raw(all.concat().as_bytes()).await;
        let statuses: Vec<&str> = answer
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|one| &one[..3])
            .collect();
        assert_eq!(statuses, ["200", "404", "206", "200"], "{answer}");
        assert!(answer.ends_with("\r\n\r\nfirst"), "{answer}");
        front.kept(2).await;
    }
}

#[tokio::test]
async fn what_is_no_request_for_the_sites_repositories_is_refused() {
    let front = Front::start(60).await;
    front.upstream.put_bytes("pool/a.deb", b"a");
    let status = async |text: &str| {
        let answer = front.raw(text.as_bytes()).await;
        let status = answer
            .get(9..12)
            .unwrap_or_else(|| panic!("{text}: {answer}"));
        status.parse::<u16>().unwrap()
    };
    let get = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap();
        format!("GET {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(
        status(&get("http://deb.example/debian/pool/a.deb")).await,
        200
    );
    assert_eq!(
        status(&get("http://DEB.example:80/debian/pool/a.deb")).await,
        200
    );
    for url in [
        "http://other.example/debian/pool/a.deb",
        "http://deb.example/pool/a.deb",
        "http://deb.example:8080/debian/pool/a.deb",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/debian/pool/a.deb",
        "http://[::1]/debian/pool/a.deb",
        "ftp://deb.example/debian/pool/a.deb",
        "file:///etc/passwd",
        &format!("{}/pool/a.deb", front.upstream.base),
    ] {
        assert_eq!(status(&get(url)).await, 403, "{url}");
    }
    for path in [
        "../debian/pool/a.deb",
        "pool/../../secret",
        "pool/%2e%2e/a.deb",
        "pool/%2E./a",
        "pool//a.deb",
        "pool/a.deb?x",
        "pool/",
        "a%2fb",
        "a\\b",
    ] {
        let answered = status(&get(&format!("{REPOSITORY}/{path}"))).await;
        assert_eq!(answered, 400, "{path}");
    }
    let tunnel = "CONNECT deb.example:443 HTTP/1.1\r\nHost: deb.example:443\r\n\r\n";
    assert_eq!(status(tunnel).await, 405);
    let body =
        format!("POST {REPOSITORY}/x HTTP/1.1\r\nHost: deb.example\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(status(&(body + &"x".repeat(100_000))).await, 405);
    assert_eq!(
        status(&request("pool/a.deb", "Content-Length: 3\r\n")).await,
        400
    );
    let smuggled = request("pool/a.deb", "Transfer-Encoding: chunked\r\n")
        + &get("http://deb.example/debian/x");
    let answer = front.raw(smuggled.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert_eq!(status("\0\0\0\r\n\r\n").await, 400);
    assert_eq!(status(&format!("GET {}", "x".repeat(20_000))).await, 431);
    assert!(
        front.upstream.requests().len() <= 2,
        "{:?}",
        front.upstream.requests()
    );
}

#[tokio::test]
async fn bytes_that_change_at_rest_are_never_served_however_hot_they_are() {
    let front = Front::start(60).await;
    let wanted = bytes(400_000);
    front.upstream.put_bytes("pool/a.deb", &wanted);
    for round in 1..4 {
        for _ in 0..3 {
            assert!(front.get("pool/a.deb").await == (200, wanted.clone()));
            front.kept(1).await;
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        assert_eq!(front.upstream.requests().len(), round);
        let held = crate::cache::files(&front.folder.path().join("bytes"));
        let file = std::fs::OpenOptions::new().write(true).open(&held[0]);
        file.unwrap().write_all_at(&[0xff], 4711).unwrap();
    }
    assert!(front.get("pool/a.deb").await == (200, wanted));
}

#[tokio::test]
async fn a_fetch_that_fails_in_the_middle_does_not_look_whole() {
    let front = Front::start(60).await;
    let hold = Arc::new(Notify::new());
    front.upstream.put(
        "pool/a.deb",
        Served {
            body: bytes(1_000_000),
            etag: "\"v1\"".into(),
            hold: Some(hold.clone()),
            cut_after: Some(800_000),
            ..Served::default()
        },
    );
    let client = front.client();
    let url = format!("{REPOSITORY}/pool/a.deb");
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    front.upstream.put_bytes("pool/a.deb", b"another version");
    hold.notify_one();
    assert!(within(answer.bytes()).await.is_err());
    assert_eq!(front.cache.usage().payloads, 0);
    assert!(front.get("pool/a.deb").await == (200, b"another version".to_vec()));
}

#[tokio::test]
async fn changing_metadata_and_repositories_that_go_are_not_served_from_memory() {
    let front = Front::start(0).await;
    let path = "dists/stable/InRelease";
    for version in ["one", "second", "the third"] {
        front.upstream.put_bytes(path, version.as_bytes());
        for _ in 0..2 {
            assert_eq!(front.get(path).await, (200, version.as_bytes().to_vec()));
            front.kept(1).await;
        }
    }
    front.upstream.put_bytes("pool/a.deb", b"a");
    for _ in 0..3 {
        assert_eq!(front.get("pool/a.deb").await.0, 200);
        front.kept(2).await;
    }
    let other = settings("http://other.example/debian", &[&front.upstream.base]);
    front.cache.set_upstreams(other);
    assert_eq!(front.get("pool/a.deb").await.0, 403);
    front
        .cache
        .set_upstreams(settings(REPOSITORY, &[&front.upstream.base]));
    assert_eq!(front.get("pool/a.deb").await.0, 200);
}

/// Off unless the relay's configuration and the site both say so, and at once when the site changes its mind.
#[tokio::test]
async fn a_relay_is_a_proxy_only_where_its_configuration_and_its_site_say_so() {
    use crate::relay::Site;
    use crate::world::{clock, config};
    let silent = Site::start_at(clock(), |_| {}).await;
    assert_eq!(silent.relay.status().unwrap().proxy, "");

    let with = netpatch_relay::Config {
        proxy_listen: Some(([127, 0, 0, 1], 0).into()),
        ..config()
    };
    let site = Site::start_with(with, clock(), |_| {}).await;
    site.upstream.put_bytes("pool/a.deb", b"a");
    let status = site.relay.status().unwrap();
    assert!(!status.proxy_allowed && status.to_text().contains("refusing"));
    let client = client(status.proxy.parse().unwrap());
    let get = async || {
        let url = format!("{}/pool/a.deb", site.upstream.base);
        let answer = client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (refused, why) = get().await;
    assert!(refused == 403 && why.contains("portal"), "{why}");
    for is_allowed in [true, false] {
        site.edge.desk.settings.lock().unwrap().serves_proxy = is_allowed;
        let expected = if is_allowed { 200 } else { 403 };
        within(async {
            while get().await.0 != expected {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
