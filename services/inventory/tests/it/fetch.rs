//! Fetching: a real server that answers well, badly, slowly, endlessly and wrongly.

use crate::world::World;
use netpatch_inventory::{FeedSettings, FeedSource, FetchOutcome, Inventory};
use netpatch_inventory_api::*;
use netpatch_storage::bus::MemoryBus;
use netpatch_types::{ErrorCode, ServiceError};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const KEV: &str =
    r#"{"dateReleased":"2026-01-12T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2026-10002"}]}"#;

/// What the server does with its next connections; the last one is repeated.
#[derive(Clone, Debug)]
enum Does {
    /// Writes these bytes and closes.
    Says(Vec<u8>),
    /// Writes these bytes again and again.
    Repeats(Vec<u8>, Vec<u8>),
    /// Writes these bytes and then nothing, without an end.
    Hangs(Vec<u8>),
}

/// A server of one resource, and what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/feed", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let step = does[number.min(does.len() - 1)].clone();
                tokio::spawn(answer(stream, step, log.clone()));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

async fn answer(mut stream: TcpStream, does: Does, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    log.lock().expect("whole").push(head);
    match does {
        Does::Says(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Does::Repeats(first, bytes) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&bytes).await.is_ok() {}
        }
        Does::Hangs(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read_u8().await;
        }
    }
}

/// An answer with these headers; the length is right unless one of them says otherwise.
fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{headers}").into_bytes();
    if !headers.contains("content-length") && !headers.contains("chunked") {
        all.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
    }
    all.extend(b"\r\n");
    all.extend(body);
    all
}

fn status(line: &str) -> Does {
    let head = format!("HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    Does::Says(head.into_bytes())
}

/// A platform that has imported the pack, and may fetch from this machine.
async fn platform() -> (World, Arc<Inventory>) {
    let world = World::direct().await;
    world.import().await;
    let settings = FeedSettings {
        allow_private: true,
        ..FeedSettings::default()
    };
    let inventory = with(&world, settings);
    (world, inventory)
}

fn with(world: &World, settings: FeedSettings) -> Arc<Inventory> {
    Inventory::with_feeds(
        world.database.database().clone(),
        Arc::new(MemoryBus::default()),
        world.clock.clone(),
        settings,
    )
}

fn source(server: &Server) -> FeedSource {
    FeedSource::new("kev", &server.url)
}

async fn kev(world: &World) -> FeedStatus {
    let feeds = world.api.feed_list(&world.ctx, FeedList {}).await;
    let feeds = feeds.expect("feeds");
    feeds
        .into_iter()
        .find(|feed| feed.name == "kev")
        .expect("kev")
}

/// Fetches and expects that it is refused: why, which the status says too, and that what is held stayed.
async fn refused(world: &World, inventory: &Inventory, source: &FeedSource) -> String {
    let before = kev(world).await;
    let error: ServiceError = inventory.fetch(source).await.expect_err("refused");
    let after = kev(world).await;
    assert_eq!((before.records, before.epoch), (after.records, after.epoch));
    let problem = after.problem.expect("a problem");
    assert_eq!(problem, format!("import refused: {}", error.message));
    error.message
}

#[tokio::test]
async fn what_changed_is_taken_and_what_did_not_is_not_sent_again() {
    let (world, inventory) = platform().await;
    let headers = "etag: \"v1\"\r\nlast-modified: Mon, 12 Jan 2026 00:00:00 GMT\r\ncontent-type: application/json\r\n";
    let server = Server::start(vec![
        Does::Says(ok(headers, KEV.as_bytes())),
        status("304 Not Modified"),
        Does::Says(ok("", KEV.as_bytes())),
    ])
    .await;
    let source = source(&server);
    assert!(inventory.is_due(&source).await.expect("asked"));
    assert_eq!(inventory.fetch(&source).await, Ok(FetchOutcome::Taken));
    let held = kev(&world).await;
    assert_eq!(held.etag.as_deref(), Some("\"v1\""));
    assert_eq!(held.source.as_deref(), Some(server.url.as_str()));
    assert!(held.fetched_at.is_some() && held.last_modified.is_some() && held.problem.is_none());
    let get = AdvisoryGet {
        cve: Some("CVE-2026-10002".into()),
        ..AdvisoryGet::default()
    };
    assert!(
        world
            .api
            .advisory_get(&world.ctx, get)
            .await
            .expect("known")
            .kev
    );
    // Not before the interval is over.
    assert!(!inventory.is_due(&source).await.expect("asked"));
    world.clock.advance(Duration::from_secs(2 * 3600));
    assert!(inventory.is_due(&source).await.expect("asked"));
    assert_eq!(
        inventory.fetch(&source).await,
        Ok(FetchOutcome::NotModified)
    );
    let asked = server.asked();
    assert!(!asked[0].contains("if-none-match"), "{}", asked[0]);
    assert!(asked[1].contains("if-none-match: \"v1\""), "{}", asked[1]);
    assert!(
        asked[1].contains("if-modified-since: mon, 12 jan 2026"),
        "{}",
        asked[1]
    );
    assert_eq!(kev(&world).await.epoch, held.epoch);
    // A source that tells no versions sends it again, and it is the same.
    assert_eq!(
        inventory.fetch(&source).await,
        Ok(FetchOutcome::NotModified)
    );
}

#[tokio::test]
async fn a_packed_answer_is_unpacked_and_exported_packed() {
    let (world, inventory) = platform().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(KEV.as_bytes()).expect("memory");
    let body = encoder.finish().expect("memory");
    let server = Server::start(vec![Does::Says(ok(
        "content-type: application/gzip\r\n",
        &body,
    ))])
    .await;
    assert_eq!(
        inventory.fetch(&source(&server)).await,
        Ok(FetchOutcome::Taken)
    );
    let dir = tempfile::tempdir().expect("folder");
    let pack_dir = dir.path().join("pack").display().to_string();
    world
        .api
        .feed_export(&world.ctx, FeedExport { pack_dir })
        .await
        .expect("exported");
    let file = std::fs::read(dir.path().join("pack/enrich/kev-fetched.json.zst")).expect("file");
    assert_eq!(
        zstd::stream::decode_all(file.as_slice()).expect("zstd"),
        KEV.as_bytes()
    );
}

#[tokio::test]
async fn a_torn_answer_is_picked_up_where_it_was_torn_off() {
    let (world, inventory) = platform().await;
    let length = format!("content-length: {}\r\netag: \"v1\"\r\n", KEV.len());
    let rest = &KEV.as_bytes()[40..];
    let mut part = format!(
        "HTTP/1.1 206 Partial Content\r\nconnection: close\r\netag: \"v1\"\r\ncontent-range: bytes 40-{}/{}\r\ncontent-length: {}\r\n\r\n",
        KEV.len() - 1,
        KEV.len(),
        rest.len()
    )
    .into_bytes();
    part.extend(rest);
    let server = Server::start(vec![
        Does::Says(ok(&length, &KEV.as_bytes()[..40])),
        Does::Says(part),
    ])
    .await;
    assert_eq!(
        inventory.fetch(&source(&server)).await,
        Ok(FetchOutcome::Taken)
    );
    let asked = server.asked();
    assert!(
        asked[1].contains("range: bytes=40-") && asked[1].contains("if-range: \"v1\""),
        "{}",
        asked[1]
    );
    assert_eq!(kev(&world).await.records, 1);
    // Without a name of the content nothing is put together, and it is given up in the end.
    let length = format!("content-length: {}\r\n", KEV.len());
    let server = Server::start(vec![Does::Says(ok(&length, &KEV.as_bytes()[..40]))]).await;
    let why = refused(&world, &inventory, &source(&server)).await;
    assert!(why.contains("torn off again and again"), "{why}");
    assert_eq!(server.asked().len(), 4);
    assert!(server.asked().iter().all(|head| !head.contains("range:")));
}

#[tokio::test]
async fn what_is_not_the_feed_is_refused_and_the_last_good_one_stays() {
    let (world, inventory) = platform().await;
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut chunk = b"1000\r\n".to_vec();
    chunk.extend([b' '; 0x1000]);
    chunk.extend(b"\r\n");
    for (does, told) in [
        (status("500 Internal Server Error"), "answered 500"),
        (status("404 Not Found"), "answered 404"),
        (status("206 Partial Content"), "answered 206"),
        (status("304 Not Modified\r\nx: y"), ""),
        (
            Does::Says(ok(
                "content-type: text/html; charset=utf-8\r\n",
                b"<html>Log in</html>",
            )),
            "the content type text/html",
        ),
        (
            Does::Says(ok("", b"{\"vulnerabilities\": 7}")),
            "not a KEV catalogue",
        ),
        (Does::Says(ok("", b"\xff\xfe")), "is not UTF-8"),
        (Does::Says(ok("", &[0x1f, 0x8b, 8, 0])), "damaged gzip"),
        (
            Does::Says(ok("", b"{\"vulnerabilities\": []}")),
            "no readable record",
        ),
        (Does::Repeats(endless, chunk), "has more than 100000 bytes"),
        (
            Does::Says(ok("content-length: 100001\r\n", b"")),
            "has more than 100000 bytes",
        ),
        (
            Does::Says(b"no HTTP at all\r\n\r\n".to_vec()),
            "http://127.0.0.1",
        ),
        (
            status("302 Found\r\nlocation: file:///etc/passwd"),
            "starts with https://",
        ),
        (
            status("302 Found\r\nlocation: /feed"),
            "more than 5 redirects",
        ),
    ] {
        let server = Server::start(vec![does]).await;
        let source = FeedSource {
            max_bytes: 100_000,
            ..source(&server)
        };
        if told.is_empty() {
            assert_eq!(
                inventory.fetch(&source).await,
                Ok(FetchOutcome::NotModified)
            );
            // It answers again, so it has no problem any more.
            assert_eq!(kev(&world).await.problem, None);
            continue;
        }
        let why = refused(&world, &inventory, &source).await;
        assert!(why.contains(told), "{told}: {why}");
    }
}

#[tokio::test]
async fn a_slow_answer_ends_with_its_time() {
    let (world, inventory) = platform().await;
    let server = Server::start(vec![Does::Hangs(ok("content-length: 1000\r\n", b"{"))]).await;
    let source = FeedSource {
        timeout: Duration::from_secs(1),
        ..source(&server)
    };
    let why = refused(&world, &inventory, &source).await;
    assert!(why.contains("no whole answer within 1 s"), "{why}");
}

#[tokio::test]
async fn addresses_inside_the_network_are_not_asked_unless_allowed() {
    let (world, _) = platform().await;
    let server = Server::start(vec![Does::Says(ok("", KEV.as_bytes()))]).await;
    let strict = with(&world, FeedSettings::default());
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    for (url, told) in [
        (server.url.clone(), "starts with https://"),
        (
            format!("https://127.0.0.1:{port}"),
            "127.0.0.1 is not a public address",
        ),
        (
            format!("https://[::ffff:10.0.0.1]:{port}"),
            "is not a public address",
        ),
        (
            format!("https://localhost:{port}"),
            "localhost has no public address",
        ),
        (
            "https://user:word@example.org/".to_owned(),
            "has no user name",
        ),
        ("no address".to_owned(), "no address"),
    ] {
        let why = refused(&world, &strict, &FeedSource::new("kev", url)).await;
        assert!(why.contains(told), "{told}: {why}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_fetched_feed_that_shrank_waits_and_is_not_fetched_again() {
    let (world, inventory) = platform().await;
    let many: Vec<_> = (0..100)
        .map(|n| serde_json::json!({"cveID": format!("CVE-2026-3{n:04}")}))
        .collect();
    let many = serde_json::json!({"vulnerabilities": many}).to_string();
    let few = "etag: \"few\"\r\n";
    let server = Server::start(vec![
        Does::Says(ok("etag: \"many\"\r\n", many.as_bytes())),
        Does::Says(ok(few, KEV.as_bytes())),
        status("304 Not Modified"),
    ])
    .await;
    let source = source(&server);
    assert_eq!(inventory.fetch(&source).await, Ok(FetchOutcome::Taken));
    let error = inventory.fetch(&source).await.expect_err("shrank");
    assert!(
        error.message.contains("shrank from 100 to 1"),
        "{}",
        error.message
    );
    assert_eq!(error.code, ErrorCode::BadUserInput);
    let waiting = kev(&world).await;
    assert_eq!(waiting.records, 100);
    assert!(
        waiting
            .waiting_for
            .is_some_and(|why| why.contains("shrank"))
    );
    assert_eq!(
        inventory.fetch(&source).await,
        Ok(FetchOutcome::NotModified)
    );
    assert!(server.asked()[2].contains("if-none-match: \"few\""));
    world
        .api
        .feed_accept(&world.ctx, FeedAccept::default())
        .await
        .expect("accepted");
    assert_eq!(kev(&world).await.records, 1);
}

#[tokio::test]
async fn the_months_of_microsoft_add_up() {
    let (world, inventory) = platform().await;
    let document = std::fs::read_to_string(crate::matching::data("msrc/cvrfDocument-2026-Mar.xml"))
        .expect("file");
    let next = document.replace("CVE-2026-3", "CVE-2026-4");
    let server = Server::start(vec![
        Does::Says(ok("", document.as_bytes())),
        Does::Says(ok("", next.as_bytes())),
    ])
    .await;
    let source = FeedSource::new("msrc", format!("{}/{{month}}", server.url));
    assert_eq!(inventory.fetch(&source).await, Ok(FetchOutcome::Taken));
    world.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(inventory.fetch(&source).await, Ok(FetchOutcome::Taken));
    let feeds = world
        .api
        .feed_list(&world.ctx, FeedList {})
        .await
        .expect("feeds");
    let msrc = feeds.iter().find(|feed| feed.name == "msrc").expect("msrc");
    assert_eq!(msrc.records, 4);
    let asked = server.asked();
    assert!(
        asked[0] != asked[1] && asked[0].contains("/feed/20"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn the_job_fetches_what_is_due() {
    let (world, _) = platform().await;
    let server = Server::start(vec![Does::Says(ok("etag: \"v1\"\r\n", KEV.as_bytes()))]).await;
    let inventory = with(
        &world,
        FeedSettings {
            sources: vec![source(&server)],
            allow_private: true,
            ..FeedSettings::default()
        },
    );
    let stop = tokio_util::sync::CancellationToken::new();
    let job = tokio::spawn({
        let (inventory, stop) = (inventory.clone(), stop.clone());
        async move { inventory.run(None, stop).await }
    });
    netpatch_testkit::poll_until("the feed", Duration::from_secs(30), async || {
        (kev(&world).await.etag.as_deref() == Some("\"v1\"")).then_some(())
    })
    .await;
    stop.cancel();
    job.await.expect("stopped");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn the_configuration_is_read_and_mistakes_are_named() {
    let read = |text: &str| {
        let table: toml::Table = toml::from_str(text).expect("toml");
        FeedSettings::of(&[], &[table], false)
    };
    let settings = read(
        "name = 'kev'\nurl = 'https://feeds.example/kev.json'\ninterval_minutes = 30\njitter_percent = 5",
    );
    let source = settings.expect("read").sources.remove(0);
    assert_eq!(
        (source.interval, source.jitter_percent),
        (Duration::from_secs(1800), 5)
    );
    for (text, told) in [
        ("name = 'kev'", "missing field `url`"),
        (
            "name = 'kev'\nurl = 'x'\nintervall = 3",
            "unknown field `intervall`",
        ),
        ("name = 'unheard-of'\nurl = 'x'", "no feed of this name"),
        (
            "name = 'kev'\nurl = 'x'\njitter_percent = 200",
            "more than 100",
        ),
    ] {
        let why = read(text).expect_err("refused");
        assert!(why.contains(told), "{why}");
    }
    assert!(FeedSettings::of(&["x".to_owned()], &[], false).is_err());
}
