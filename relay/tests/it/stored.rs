//! Payloads that the platform keeps: fetched by its addresses or over the one connection, believed by their hash alone, and never instead of
//! a mirror that works.

use crate::cache::{Cached, bytes, open, request};
use crate::front::within;
use crate::upstream::{Served, Upstream};
use futures::future::BoxFuture;
use netpatch_protocol::site::StoredRequest;
use netpatch_relay::cache::stored::{Holding, Kept, NotKept};
use netpatch_relay_core::staging::StagingPlan as Plan;
use netpatch_types::Sha256;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const PATH: &str = "pool/a_1_all.deb";
const BLOB: &str = "blob?X-Amz-Signature=1";

/// How the platform answers.
#[derive(Clone)]
enum Word {
    At(String),
    Carried(Vec<u8>),
    Absent,
    Failed,
}

/// A platform that answers with one word after the other, and with the last from then on.
struct Platform {
    words: Mutex<Vec<Word>>,
    asked: Mutex<Vec<StoredRequest>>,
    is_silent: AtomicBool,
}

impl Kept for Platform {
    fn ask(&self, request: StoredRequest) -> BoxFuture<'_, Result<Holding, NotKept>> {
        let offset = usize::try_from(request.offset).unwrap();
        self.asked.lock().unwrap().push(request);
        let mut words = self.words.lock().unwrap();
        let word = match words.len() {
            1 => words[0].clone(),
            _ => words.remove(0),
        };
        drop(words);
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        Box::pin(async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            match word {
                Word::At(url) => Ok(Holding::At(url)),
                Word::Carried(bytes) => Ok(Holding::Bytes {
                    total_bytes: bytes.len() as u64,
                    bytes: Box::new(std::io::Cursor::new(bytes[offset..].to_vec())),
                }),
                Word::Absent => Err(NotKept::Absent),
                Word::Failed => Err(NotKept::Failed("busy".into())),
            }
        })
    }
}

struct World {
    mirror: Upstream,
    store: Upstream,
    platform: Arc<Platform>,
    cached: Cached,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start(is_first: bool, words: Vec<Word>) -> Self {
        Self::with_hosts(is_first, words, &["127.0.0.1".to_owned()]).await
    }

    async fn with_hosts(is_first: bool, words: Vec<Word>, hosts: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mirror, store) = (Upstream::start().await, Upstream::start().await);
        let cached = open(folder.path(), &mirror);
        let platform = Arc::new(Platform {
            words: Mutex::new(words),
            asked: Mutex::default(),
            is_silent: AtomicBool::new(false),
        });
        cached.cache.use_kept(platform.clone(), is_first, hosts);
        Self {
            mirror,
            store,
            platform,
            cached,
            _folder: folder,
        }
    }

    /// Where the store has it.
    fn address(&self) -> String {
        format!("{}/{BLOB}", self.store.base)
    }

    fn say(&self, words: Vec<Word>) {
        *self.platform.words.lock().unwrap() = words;
    }

    fn asked(&self) -> usize {
        self.platform.asked.lock().unwrap().len()
    }

    fn stored(&self) -> u64 {
        self.cached.counters.now().stored
    }
}

fn version(body: &[u8], etag: &str) -> Served {
    Served {
        body: body.to_vec(),
        etag: etag.into(),
        ..Served::default()
    }
}

#[tokio::test]
async fn what_no_mirror_has_any_more_comes_from_the_platforms_store() {
    let world = World::start(false, vec![Word::Absent]).await;
    let wanted = bytes(300_000);
    world.store.put(BLOB, version(&wanted, "\"of the store\""));
    // The platform does not keep it.
    assert_eq!(world.cached.get_known(PATH, &wanted).await, Err(404));
    assert_eq!(world.asked(), 1);
    let first = world.platform.asked.lock().unwrap()[0].clone();
    assert_eq!((first.path.as_str(), first.offset), (PATH, 0));
    assert_eq!(first.repository, "http://deb.example/debian");
    assert_eq!(first.sha256, Sha256::of(&wanted).0);
    // It keeps it.
    world.say(vec![Word::At(world.address())]);
    assert!(world.cached.get_known(PATH, &wanted).await == Ok(wanted.clone()));
    world.cached.kept(1).await;
    assert_eq!((world.stored(), world.store.requests().len()), (1, 1));
    // Held it is asked for nowhere.
    assert!(world.cached.get_known(PATH, &wanted).await == Ok(wanted.clone()));
    assert_eq!(world.store.requests().len(), 1);
    // Nobody knows the hash: the platform is not asked.
    let asked = world.asked();
    assert_eq!(world.cached.get("pool/b_1_all.deb").await, Err(404));
    let index = world.cached.get_known("dists/x/Packages", &wanted).await;
    assert_eq!((index, world.asked()), (Err(404), asked));
    // A mirror that works is enough.
    world.mirror.put_bytes("pool/c_1_all.deb", b"c");
    let got = world.cached.get_known("pool/c_1_all.deb", b"c").await;
    assert_eq!((got, world.asked()), (Ok(b"c".to_vec()), asked));
}

#[tokio::test]
async fn a_mirror_that_is_down_or_breaks_off_is_helped_out_by_range() {
    let wanted = bytes(300_000);
    for carried in [false, true] {
        let world = World::start(false, vec![Word::Absent]).await;
        world.say(vec![match carried {
            true => Word::Carried(wanted.clone()),
            false => Word::At(world.address()),
        }]);
        world.store.put(BLOB, version(&wanted, "\"of the store\""));
        world.mirror.set_down(true);
        let got = within(world.cached.get_known(PATH, &wanted)).await;
        assert!(got == Ok(wanted.clone()), "down");
        world.cached.kept(1).await;
        world.mirror.set_down(false);
        // In the middle, and from then on for good.
        let second = "pool/b_1_all.deb";
        let torn = Served {
            cut_after: Some(10_000),
            says: None,
            ..version(&wanted, "\"of the mirror\"")
        };
        world.mirror.put(second, torn);
        let fetching = world.cached.get_known(second, &wanted);
        let cutting = async {
            // The first part has come: now nothing more does.
            while world.cached.counters.now().bytes_fetched < 310_000 {
                tokio::task::yield_now().await;
            }
            world.mirror.set_down(true);
        };
        let (got, ()) = within(async { tokio::join!(fetching, cutting) }).await;
        assert!(got == Ok(wanted.clone()), "in the middle");
        world.cached.kept(2).await;
        let last = world
            .platform
            .asked
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap();
        assert!(last.offset >= 10_000, "{}", last.offset);
        assert_eq!(world.stored(), 2);
        let fetched = world.cached.counters.now().bytes_fetched;
        assert!(fetched < 2 * 300_000 + 1000, "nothing twice: {fetched}");
    }
}

#[tokio::test]
async fn an_address_that_has_ended_is_asked_for_anew_at_the_start_and_in_the_middle() {
    let wanted = bytes(300_000);
    let world = World::start(false, vec![Word::Absent]).await;
    let ended = Served {
        instead: "403 Forbidden".into(),
        ..Served::default()
    };
    world.store.put("ended?X-Amz-Signature=0", ended);
    // It breaks off after its first bytes; whoever goes on by the same address is refused.
    let first = Served {
        cut_after: Some(20_000),
        ..version(&wanted, "\"v\"")
    };
    world.store.put("first?X-Amz-Signature=1", first);
    world.store.put(BLOB, version(&wanted, "\"v\""));
    let at = |name: &str| Word::At(format!("{}/{name}", world.store.base));
    world.say(vec![
        at("ended?X-Amz-Signature=0"),
        at("first?X-Amz-Signature=1"),
        at("ended?X-Amz-Signature=0"),
        at(BLOB),
    ]);
    let got = within(world.cached.get_known(PATH, &wanted)).await;
    assert!(got == Ok(wanted.clone()), "{:?}", got.map(|got| got.len()));
    world.cached.kept(1).await;
    let offsets: Vec<u64> = { world.platform.asked.lock().unwrap() }
        .iter()
        .map(|asked| asked.offset)
        .collect();
    assert_eq!(offsets, [0, 0, 20_000, 20_000]);
    let last = world.store.requests().last().cloned().unwrap();
    assert_eq!(last, format!("/debian/{BLOB} bytes=20000-"));
}

#[tokio::test]
async fn wrong_bytes_of_the_platform_are_not_kept_and_the_mirrors_have_the_next_word() {
    let wanted = bytes(100_000);
    let mut wrong = wanted.clone();
    wrong[50_000] ^= 1;
    let short = wanted[..60_000].to_vec();
    for bad in [wrong, short, Vec::new()] {
        for carried in [false, true] {
            let world = World::start(true, vec![Word::Absent]).await;
            world.say(vec![match carried {
                true => Word::Carried(bad.clone()),
                false => Word::At(world.address()),
            }]);
            world.store.put(BLOB, version(&bad, "\"v\""));
            world.mirror.put(PATH, version(&wanted, "\"m\""));
            let got = within(world.cached.get_known(PATH, &wanted)).await;
            assert!(got == Ok(bad.clone()), "its hosts judge it themselves");
            assert_eq!(world.cached.cache.usage().payloads, 0);
            let got = within(world.cached.get_known(PATH, &wanted)).await;
            assert!(got == Ok(wanted.clone()), "then the mirror");
            world.cached.kept(1).await;
            assert_eq!((world.asked(), world.stored()), (1, 0));
        }
    }
}

#[tokio::test]
async fn a_platform_that_is_asked_first_and_fails_leaves_it_to_the_mirrors() {
    let wanted = bytes(100_000);
    let nowhere = Word::At("http://127.0.0.1:1/x?X-Amz-Signature=1".into());
    for word in [Word::Absent, Word::Failed, nowhere, Word::At("x".into())] {
        let world = World::start(true, vec![word]).await;
        world.mirror.put(PATH, version(&wanted, "\"m\""));
        let got = within(world.cached.get_known(PATH, &wanted)).await;
        assert!(got == Ok(wanted.clone()));
        assert_eq!((world.asked(), world.stored()), (1, 0));
    }
    // The store breaks off in the middle and is gone: the mirror has the rest.
    let world = World::start(true, vec![Word::Absent]).await;
    let torn = Served {
        cut_after: Some(20_000),
        ..version(&wanted, "\"v\"")
    };
    world.store.put("first?X-Amz-Signature=1", torn);
    let first = Word::At(format!("{}/first?X-Amz-Signature=1", world.store.base));
    world.say(vec![first, Word::Failed]);
    world.mirror.put(PATH, version(&wanted, "\"m\""));
    let got = within(world.cached.get_known(PATH, &wanted)).await;
    assert!(got == Ok(wanted.clone()));
    world.cached.kept(1).await;
    let asked = world.mirror.requests();
    assert_eq!(asked, [format!("/debian/{PATH} bytes=20000-")]);
    // Asked first and well, no mirror is needed.
    let world = World::start(true, vec![Word::Absent]).await;
    world.say(vec![Word::At(world.address())]);
    world.store.put(BLOB, version(&wanted, "\"v\""));
    let got = within(world.cached.get_known(PATH, &wanted)).await;
    assert!(got == Ok(wanted.clone()) && world.mirror.requests().is_empty());
}

#[tokio::test]
async fn an_address_leads_only_to_public_hosts_and_those_that_the_configuration_names() {
    let wanted = bytes(1_000);
    let localhost = "localhost".to_owned();
    for (hosts, address) in [
        // Not named, over plain HTTP and over TLS.
        (vec![], "http://127.0.0.1:PORT/debian/BLOB"),
        (vec![], "https://127.0.0.1:PORT/debian/BLOB"),
        (vec![], "https://10.0.0.1/x?y"),
        (
            vec!["10.0.0.1".to_owned()],
            "http://127.0.0.1:PORT/debian/BLOB",
        ),
        // Where machines keep their secrets nothing is fetched from, whoever names it.
        (
            vec!["169.254.169.254".to_owned()],
            "http://169.254.169.254/latest/meta-data?x",
        ),
        (
            vec!["[fd00:ec2::254]".to_owned()],
            "http://[fd00:ec2::254]/latest/meta-data?x",
        ),
        (vec![localhost.clone()], "file:///etc/passwd"),
        (
            vec![localhost.clone()],
            "http://user@127.0.0.1:PORT/debian/BLOB",
        ),
    ] {
        let world = World::with_hosts(false, vec![Word::Absent], &hosts).await;
        world.store.put(BLOB, version(&wanted, "\"v\""));
        let port = { world.store.base.trim_start_matches("http://127.0.0.1:") }
            .trim_end_matches("/debian");
        let address = address.replace("PORT", port).replace("BLOB", BLOB);
        world.say(vec![Word::At(address.clone())]);
        let got = within(world.cached.get_known(PATH, &wanted)).await;
        assert_eq!(got, Err(502), "{address}");
        assert!(world.store.requests().is_empty(), "{address}");
    }
    // Nor where the store redirects to.
    let world = World::start(false, vec![Word::Absent]).await;
    let other = Upstream::start().await;
    other.put(BLOB, version(&wanted, "\"v\""));
    let to = other.base.replace("127.0.0.1", "localhost");
    let redirect = Served {
        instead: format!("302 Found\r\nLocation: {to}/{BLOB}"),
        ..Served::default()
    };
    world.store.put(BLOB, redirect);
    world.say(vec![Word::At(world.address())]);
    let got = within(world.cached.get_known(PATH, &wanted)).await;
    assert_eq!((got, other.requests().len()), (Err(502), 0));
}

#[tokio::test]
async fn what_is_fetched_ahead_comes_from_the_platform_too() {
    let wanted = bytes(50_000);
    let world = World::start(false, vec![Word::Carried(wanted.clone())]).await;
    let plan = netpatch_protocol::site::StagingPlan {
        plan: vec![1],
        payloads: vec![netpatch_protocol::site::StagedPayload {
            repository: request(PATH).repository,
            path: PATH.into(),
            sha256: Sha256::of(&wanted).0.to_vec(),
            size_bytes: wanted.len() as u64,
            ..netpatch_protocol::site::StagedPayload::default()
        }],
    };
    let plan = Plan::read(&plan);
    let payload = &plan.payloads()[0];
    within(world.cached.cache.stage(payload))
        .await
        .expect("staged");
    assert!(world.cached.cache.holds(payload));
}
