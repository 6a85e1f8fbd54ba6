use crate::upstream::{Served, Upstream};
use netpatch_protocol::site::{PayloadRequest, SiteSettings, Upstream as Source};
use netpatch_relay::cache::store::Store;
use netpatch_relay::cache::{Cache, Reply};
use netpatch_relay::counters::Counters;
use netpatch_relay_core::Upstreams;
use netpatch_types::{Sha256, SharedClock, SystemClock};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

pub(crate) struct Cached {
    pub(crate) cache: Cache,
    pub(crate) counters: Arc<Counters>,
}

fn open_with(folder: &Path, upstream: &Upstream, budget: u64, fresh: u32) -> Cached {
    open_at(folder, upstream, budget, fresh, SystemClock::shared())
}

pub(crate) fn open_at(
    folder: &Path,
    upstream: &Upstream,
    budget: u64,
    fresh: u32,
    clock: SharedClock,
) -> Cached {
    let counters = Arc::<Counters>::default();
    let store = Store::open(folder).expect("store");
    let cache = Cache::open(store, budget, fresh, counters.clone(), clock);
    let cache = cache.expect("cache");
    cache.set_upstreams(Upstreams::from_settings(&SiteSettings {
        upstreams: vec![Source {
            repository: "http://deb.example/debian".into(),
            urls: vec![upstream.base.clone()],
        }],
        ..SiteSettings::default()
    }));
    Cached { cache, counters }
}

pub(crate) fn open(folder: &Path, upstream: &Upstream) -> Cached {
    open_with(folder, upstream, 1 << 30, 0)
}

pub(crate) fn request(path: &str) -> PayloadRequest {
    PayloadRequest {
        repository: "http://deb.example/debian".into(),
        path: path.into(),
        ..PayloadRequest::default()
    }
}

/// The body of a reply, or its status.
async fn body(reply: Reply) -> Result<Vec<u8>, u32> {
    match reply {
        Reply::Status(status, _) => Err(status),
        Reply::Unchanged(_) => Err(304),
        Reply::Held { file, range, .. } => {
            let mut bytes = vec![0; usize::try_from(range.size_bytes()).unwrap()];
            file.read_exact_at(&mut bytes, range.start).expect("read");
            Ok(bytes)
        }
        Reply::Arriving { fill, range, .. } => {
            let mut bytes = Vec::new();
            let mut position = range.start;
            while position < range.end {
                let (file, written, _) = fill
                    .available(position)
                    .await
                    .map_err(|(status, _)| status)?;
                let end = written.min(range.end);
                let mut chunk = vec![0; usize::try_from(end - position).unwrap()];
                file.read_exact_at(&mut chunk, position).expect("read");
                bytes.extend(chunk);
                position = end;
            }
            Ok(bytes)
        }
    }
}

impl Cached {
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, u32> {
        body(self.cache.respond(&request(path)).await).await
    }

    /// As an agent asks whose plan names the hash.
    pub(crate) async fn get_known(&self, path: &str, bytes: &[u8]) -> Result<Vec<u8>, u32> {
        let known = PayloadRequest {
            sha256: Sha256::of(bytes).0.to_vec(),
            ..request(path)
        };
        body(self.cache.respond(&known).await).await
    }

    /// The repository is fetched from these, the first first.
    pub(crate) fn fetch_from(&self, urls: &[&str]) {
        let upstreams = crate::front::settings("http://deb.example/debian", urls);
        self.cache.set_upstreams(upstreams);
    }

    /// Waits until so many payloads are kept: that happens just after the last byte was served.
    pub(crate) async fn kept(&self, payloads: usize) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while self.cache.usage().payloads != payloads {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{:?}",
                self.cache.usage()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size)
        .map(|n| u8::try_from(n * 7 % 251).unwrap())
        .collect()
}

pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn a_payload_is_fetched_once_and_survives_a_restart() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(300_000);
    upstream.put_bytes("pool/a.deb", &wanted);
    let cached = open(folder.path(), &upstream);
    assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
    cached.kept(1).await;
    assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
    let counted = cached.counters.now();
    assert_eq!(
        (counted.hits, counted.misses, counted.bytes_fetched),
        (1, 1, 300_000)
    );
    drop(cached);
    let again = open(folder.path(), &upstream);
    assert!(again.get("pool/a.deb").await == Ok(wanted));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_name_for_the_same_bytes_damages_nothing() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(8 << 20);
    for name in 0..6 {
        upstream.put_bytes(&format!("pool/{name}.deb"), &wanted);
    }
    let cached = Arc::new(open(folder.path(), &upstream));
    assert!(cached.get("pool/0.deb").await == Ok(wanted.clone()));
    cached.kept(1).await;
    // Each of these takes the place of the file that is being read and checked.
    let others = Arc::clone(&cached);
    let filling = tokio::spawn(async move {
        for name in 1..6 {
            let got = others.get(&format!("pool/{name}.deb")).await;
            assert!(got.is_ok());
        }
    });
    while !filling.is_finished() {
        assert!(cached.get("pool/0.deb").await == Ok(wanted.clone()));
    }
    filling.await.expect("the others");
    assert_eq!(upstream.requests().len(), 6, "nothing is fetched twice");
}

#[tokio::test]
async fn all_who_ask_meanwhile_share_one_fetch_and_get_bytes_before_its_end() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (wanted, hold) = (bytes(200_000), Arc::new(Notify::new()));
    let served = Served {
        body: wanted.clone(),
        hold: Some(hold.clone()),
        ..Served::default()
    };
    upstream.put("pool/a.deb", served);
    let cached = open(folder.path(), &upstream);
    let mut replies = Vec::new();
    for _ in 0..5 {
        let reply = cached.cache.respond(&request("pool/a.deb")).await;
        let Reply::Arriving { fill, .. } = &reply else {
            panic!("not arriving");
        };
        // The upstream holds the second half back.
        let (_, written, complete) = fill.available(0).await.expect("growing");
        assert!(written > 0 && !complete);
        replies.push(reply);
    }
    hold.notify_one();
    for reply in replies {
        assert!(body(reply).await == Ok(wanted.clone()));
    }
    assert_eq!(upstream.requests().len(), 1);
    let counted = cached.counters.now();
    assert_eq!((counted.hits, counted.misses), (4, 1));
}

#[tokio::test]
async fn a_broken_connection_is_resumed_where_it_broke() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(100_000);
    let served = Served {
        body: wanted.clone(),
        etag: "\"v1\"".into(),
        cut_after: Some(30_000),
        ..Served::default()
    };
    upstream.put("pool/a.deb", served);
    let cached = open(folder.path(), &upstream);
    assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
    let path = "/debian/pool/a.deb";
    let expected = [
        path.to_owned(),
        format!("{path} bytes=30000-"),
        format!("{path} bytes=60000-"),
    ];
    assert_eq!(upstream.requests(), expected);
    assert_eq!(cached.counters.now().bytes_fetched, 100_000);
    cached.kept(1).await;
    upstream.set_down(true);
    assert!(cached.get("pool/a.deb").await == Ok(wanted));
}

#[tokio::test]
async fn a_payload_that_changes_while_it_breaks_is_never_mixed() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let served = |etag: &str, fill: u8| Served {
        body: vec![fill; 50_000],
        etag: etag.into(),
        cut_after: Some(20_000),
        ..Served::default()
    };
    upstream.put("pool/a.deb", served("\"v1\"", 1));
    let cached = open(folder.path(), &upstream);
    let reply = cached.cache.respond(&request("pool/a.deb")).await;
    upstream.put("pool/a.deb", served("\"v2\"", 2));
    assert_eq!(body(reply).await, Err(502));
    assert_eq!(cached.cache.usage().payloads, 0);
}

#[tokio::test]
async fn damaged_bytes_are_never_served() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(50_000);
    upstream.put_bytes("pool/a.deb", &wanted);
    let cached = open(folder.path(), &upstream);
    for _ in 0..2 {
        assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
        cached.kept(1).await;
        // Checked by a read, then flipped: the check must not be trusted any more.
        assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
        let held = files(&folder.path().join("bytes"));
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&held[0])
            .unwrap();
        file.write_all_at(&[0xff], 4711).unwrap();
    }
    assert!(cached.get("pool/a.deb").await == Ok(wanted.clone()));
    assert_eq!(upstream.requests().len(), 3);

    // A truncated file, an entry without bytes, bytes without an entry, garbage: found at the next start.
    cached.kept(1).await;
    drop(cached);
    let held = files(&folder.path().join("bytes"));
    std::fs::write(&held[0], &wanted[..100]).unwrap();
    std::fs::write(folder.path().join("entries/garbage.json"), b"{").unwrap();
    std::fs::write(held[0].with_file_name("ab".repeat(32)), b"orphan").unwrap();
    let again = open(folder.path(), &upstream);
    assert_eq!(again.cache.usage().payloads, 0);
    assert!(
        files(folder.path()).is_empty(),
        "{:?}",
        files(folder.path())
    );
    assert!(again.get("pool/a.deb").await == Ok(wanted));
}

/// Small payloads are not synced: after a power cut files may be there by name and size, and without their bytes.
#[tokio::test]
async fn what_a_power_cut_takes_is_never_served_and_is_fetched_anew() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = |n: u8| bytes(5_000 + usize::from(n));
    let path = |n: u8| format!("pool/{n}.deb");
    let cached = open(folder.path(), &upstream);
    for n in 0..4 {
        upstream.put_bytes(&path(n), &wanted(n));
        assert!(cached.get(&path(n)).await == Ok(wanted(n)));
        cached.kept(usize::from(n) + 1).await;
    }
    drop(cached);
    for file in files(&folder.path().join("bytes")) {
        let size = file.metadata().unwrap().len();
        match size {
            5_000 => std::fs::write(&file, vec![0; 5_000]).unwrap(),
            5_001 => std::fs::write(&file, b"").unwrap(),
            _ => {}
        }
    }
    let entries = files(&folder.path().join("entries"));
    let third = entries.iter().find(|entry| {
        let text = std::fs::read_to_string(entry).unwrap();
        text.contains("pool/2.deb")
    });
    std::fs::write(third.unwrap(), b"").unwrap();
    let again = open(folder.path(), &upstream);
    assert_eq!(
        again.cache.usage().payloads,
        2,
        "one looks whole and is not"
    );
    for n in 0..4 {
        assert!(again.get(&path(n)).await == Ok(wanted(n)), "{n}");
    }
    again.kept(4).await;
    assert_eq!(upstream.requests().len(), 4 + 3);
    assert_eq!(files(folder.path()).len(), 8, "nothing is left over");
}

#[tokio::test]
async fn a_relay_that_dies_in_mid_fill_leaves_nothing_half_done() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(80_000);
    let hold = Arc::new(Notify::new());
    let served = Served {
        body: wanted.clone(),
        hold: Some(hold.clone()),
        ..Served::default()
    };
    upstream.put("pool/a.deb", served);
    let cached = open(folder.path(), &upstream);
    let Reply::Arriving { fill, .. } = cached.cache.respond(&request("pool/a.deb")).await else {
        panic!("not arriving");
    };
    fill.available(0).await.expect("growing");
    // kill -9 leaves the file under tmp/ behind: copy it there as it would be.
    let torn = folder.path().join("tmp/left");
    std::fs::write(&torn, &wanted[..100]).unwrap();
    drop(cached);
    let again = open(folder.path(), &upstream);
    assert!(!torn.exists());
    assert_eq!(again.cache.usage().payloads, 0);
    hold.notify_one();
    hold.notify_one();
    assert!(again.get("pool/a.deb").await == Ok(wanted));
}

#[tokio::test]
async fn metadata_is_asked_for_again_and_served_stale_when_the_origin_is_away() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let path = "dists/stable/InRelease";
    upstream.put_bytes(path, b"one");
    let cached = open(folder.path(), &upstream);
    assert_eq!(cached.get(path).await, Ok(b"one".to_vec()));
    cached.kept(1).await;
    assert_eq!(cached.get(path).await, Ok(b"one".to_vec()));
    assert_eq!(cached.counters.now().bytes_fetched, 3, "not modified");
    upstream.set_down(true);
    assert_eq!(cached.get(path).await, Ok(b"one".to_vec()));
    upstream.set_down(false);
    upstream.put_bytes(path, b"second");
    assert_eq!(cached.get(path).await, Ok(b"second".to_vec()));

    let mut conditional = request(path);
    conditional.if_none_match = "\"6\"".into();
    let reply = cached.cache.respond(&conditional).await;
    assert_eq!(body(reply).await, Err(304));
}

#[tokio::test]
async fn only_the_sites_repositories_and_paths_below_them_are_served() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    upstream.put_bytes("pool/a.deb", b"a");
    let cached = open(folder.path(), &upstream);
    let ask = async |repository: &str, path: &str| {
        let request = PayloadRequest {
            repository: repository.into(),
            path: path.into(),
            ..PayloadRequest::default()
        };
        body(cached.cache.respond(&request).await).await
    };
    assert_eq!(
        ask("http://other.example/debian", "pool/a.deb").await,
        Err(403)
    );
    assert_eq!(ask(&upstream.base, "pool/a.deb").await, Err(403));
    assert_eq!(
        ask("http://deb.example/debian", "../secret").await,
        Err(400)
    );
    assert_eq!(
        ask("http://deb.example/debian", "pool/absent.deb").await,
        Err(404)
    );
    assert_eq!(
        ask("https://deb.example/debian/", "pool/a.deb").await,
        Ok(b"a".to_vec())
    );
    assert!(
        !upstream
            .requests()
            .iter()
            .any(|request| request.contains("secret"))
    );
}

#[tokio::test]
async fn parts_are_served_while_filling_and_afterwards() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let wanted = bytes(10_000);
    upstream.put_bytes("pool/a.deb", &wanted);
    let chunked = Served {
        body: wanted.clone(),
        chunked: true,
        ..Served::default()
    };
    upstream.put("pool/b.deb", chunked);
    let cached = open(folder.path(), &upstream);
    for path in ["pool/a.deb", "pool/b.deb"] {
        for _ in 0..2 {
            let mut part = request(path);
            (part.offset, part.length) = (9_000, 500);
            let reply = cached.cache.respond(&part).await;
            assert_eq!(body(reply).await, Ok(wanted[9_000..9_500].to_vec()));
            part.offset = 10_001;
            let reply = cached.cache.respond(&part).await;
            assert_eq!(body(reply).await, Err(416));
        }
    }
}

#[tokio::test]
async fn the_budget_holds_and_what_does_not_fit_is_passed_through() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    for n in 0..4 {
        upstream.put_bytes(&format!("pool/{n}.deb"), &[n; 40_000]);
    }
    upstream.put_bytes("pool/big.deb", &[9; 200_000]);
    let cached = open_with(folder.path(), &upstream, 100_000, 0);
    for n in 0..4u8 {
        assert_eq!(
            cached.get(&format!("pool/{n}.deb")).await,
            Ok(vec![n; 40_000])
        );
        cached.kept(usize::from(n + 1).min(2)).await;
        assert!(cached.cache.usage().used_bytes <= 100_000);
    }
    assert_eq!(cached.get("pool/big.deb").await, Ok(vec![9; 200_000]));
    assert_eq!(cached.cache.usage().payloads, 2);
    drop(cached);
    let smaller = open_with(folder.path(), &upstream, 50_000, 0);
    assert_eq!(smaller.cache.usage().payloads, 1);
    let on_disk: u64 = files(&folder.path().join("bytes"))
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert_eq!(on_disk, 40_000);
}

#[tokio::test]
async fn a_fetch_over_a_limited_line_takes_its_time_and_a_hit_does_not() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let payload = vec![7; 1_500_000];
    upstream.put_bytes("pool/a.deb", &payload);
    let cached = open(folder.path(), &upstream);
    cached.cache.line().set(&crate::line::limited(8_000));
    let begun = std::time::Instant::now();
    let whole = body(cached.cache.respond(&request("pool/a.deb")).await).await;
    assert_eq!(whole.unwrap(), payload);
    // 1 MB/s, less what the bucket holds and the last piece that came.
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
    // A hit takes no turn, whatever the limit.
    cached.cache.line().set(&crate::line::limited(64));
    let again = body(cached.cache.respond(&request("pool/a.deb")).await).await;
    assert_eq!(again.unwrap(), payload);
    assert_eq!(cached.counters.now().bytes_fetched, 1_500_000);
}
