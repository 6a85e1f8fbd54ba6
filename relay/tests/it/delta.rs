//! Packages made of an older version and a recipe: the right bytes for few, and the whole file whenever anything is wrong.

use crate::cache::{Cached, files, open, request};
use crate::upstream::Upstream;
use crate::world::{Edge, clock, limits};
use futures::future::BoxFuture;
use netpatch_delta::{Limits, make};
use netpatch_protocol::site::{
    DeltaFound, DeltaRequest, PayloadRequest, SiteSettings, StagedPayload, StagingPlan,
};
use netpatch_relay::cache::delta::{Offer, Recipes};
use netpatch_relay_core::staging::{Staged, StagingPlan as Plan};
use netpatch_tunnel::SiteClient;
use netpatch_types::Sha256;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

pub(crate) const OLD: &str = "pool/thing_1_all.deb";
pub(crate) const NEW: &str = "pool/thing_2_all.deb";
const PLAIN_BYTES: usize = 64 << 20;

/// Two versions, and the recipe.
pub(crate) struct Pair {
    pub(crate) old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    pub(crate) recipe: Vec<u8>,
}

pub(crate) static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let (old, new) = (deb(1), deb(2));
    let recipe = make(&old, &new, &Limits::default()).expect("a recipe");
    assert!(recipe.len() < new.len() / 10);
    Pair { old, new, recipe }
});

fn deb(version: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("DEBIAN")).expect("folder");
    let control = format!(
        "Package: thing\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: thing\n"
    );
    fs::write(root.join("DEBIAN/control"), control).expect("control");
    let mut state = 7u32;
    let mut content = String::new();
    for line in 0..40_000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let changed = if line % 997 == 0 { version } else { 0 };
        content += &format!("{line} {:x} {changed}\n", state >> 12);
    }
    fs::write(root.join("data"), content).expect("data");
    let deb = folder.path().join("thing.deb");
    let built = Command::new("dpkg-deb")
        .args(["-Zxz", "--root-owner-group", "-b"])
        .args([&root, &deb])
        .output()
        .expect("dpkg-deb");
    assert!(built.status.success(), "{built:?}");
    fs::read(deb).expect("deb")
}

/// Base, target, and the recipe with the length that it is said to have.
type Offered = (Sha256, Sha256, u64, Vec<u8>);

/// An edge that offers what it was told to.
#[derive(Default)]
struct Desk {
    offer: Mutex<Option<Offered>>,
    asked: Mutex<Vec<DeltaRequest>>,
    is_silent: AtomicBool,
}

impl Recipes for Desk {
    fn ask(&self, request: DeltaRequest) -> BoxFuture<'_, Option<Offer>> {
        self.asked.lock().unwrap().push(request);
        let offer = self.offer.lock().unwrap().clone();
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        Box::pin(async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            let (base, sha256, size_bytes, recipe) = offer?;
            let recipe = Box::new(std::io::Cursor::new(recipe));
            Some(Offer {
                base,
                sha256,
                size_bytes,
                recipe,
            })
        })
    }
}

impl Desk {
    fn offer(&self, base: &[u8], target: &[u8], recipe: &[u8]) {
        let (base, target) = (Sha256::of(base), Sha256::of(target));
        let offer = (base, target, recipe.len() as u64, recipe.to_vec());
        *self.offer.lock().unwrap() = Some(offer);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// A cache that holds the old version.
async fn holding(folder: &Path, upstream: &Upstream) -> (Cached, Arc<Desk>) {
    upstream.put_bytes(OLD, &PAIR.old);
    upstream.put_bytes(NEW, &PAIR.new);
    let cached = open(folder, upstream);
    let desk = Arc::<Desk>::default();
    cached.cache.use_recipes(desk.clone(), PLAIN_BYTES);
    assert!(cached.get(OLD).await == Ok(PAIR.old.clone()));
    cached.kept(1).await;
    assert_eq!(desk.asked(), 0, "nothing is held to start from");
    (cached, desk)
}

fn fetched(upstream: &Upstream, path: &str) -> usize {
    let path = format!("/debian/{path}");
    upstream
        .requests()
        .iter()
        .filter(|one| **one == path)
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_is_made_of_the_old_one_and_few_bytes() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    // Several hosts at once: one of them asks.
    let (one, two) = tokio::join!(cached.get(NEW), cached.get(NEW));
    assert!(one == Ok(PAIR.new.clone()) && two == one);
    cached.kept(2).await;
    assert_eq!((fetched(&upstream, NEW), desk.asked()), (0, 1));
    let asked = desk.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.path.as_str(), asked.bases.len()), (NEW, 1));
    assert_eq!(asked.bases[0].path, OLD);
    assert_eq!(asked.bases[0].sha256, Sha256::of(&PAIR.old).0);
    let counted = cached.counters.now();
    let (recipe, old) = (PAIR.recipe.len() as u64, PAIR.old.len() as u64);
    assert_eq!(counted.bytes_fetched, old + recipe);
    assert_eq!((counted.deltas, counted.recipe_bytes), (1, recipe));
    assert_eq!(counted.delta_saved_bytes, PAIR.new.len() as u64 - recipe);
    // Part of it, and after a restart.
    drop(cached);
    let again = open(folder.path(), &upstream);
    assert!(again.get(NEW).await == Ok(PAIR.new.clone()));
    assert_eq!(fetched(&upstream, NEW), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_wants_whole_files_only_gets_them_until_it_wants_differences_again() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    cached.cache.allow_recipes(false);
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));
    assert_eq!((fetched(&upstream, NEW), desk.asked()), (1, 0));

    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    cached.cache.allow_recipes(false);
    cached.cache.allow_recipes(true);
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));
    assert_eq!((fetched(&upstream, NEW), desk.asked()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_recipe_the_whole_file_comes_from_its_origin() {
    let mut flipped = PAIR.recipe.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let middle = PAIR.recipe.len() / 2;
    let mut damaged = PAIR.recipe.clone();
    damaged[middle] ^= 0x55;
    let back = make(&PAIR.new, &PAIR.old, &Limits::default()).expect("a recipe");
    let (old, new) = (&PAIR.old[..], &PAIR.new[..]);
    let cases: Vec<(&[u8], &[u8], Vec<u8>)> = vec![
        (old, new, flipped),
        (old, new, damaged),
        (old, new, Vec::new()),
        (old, new, b"NPDELTA1".to_vec()),
        (old, new, back.clone()),
        // Another base, another target than the recipe's, more than the whole file.
        (b"other", new, PAIR.recipe.clone()),
        (old, b"other", PAIR.recipe.clone()),
        (new, old, back),
        (old, new, vec![7; old.len() + 1]),
    ];
    for (base, target, recipe) in cases {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let (cached, desk) = holding(folder.path(), &upstream).await;
        let length = recipe.len();
        desk.offer(base, target, &recipe);
        assert!(cached.get(NEW).await == Ok(PAIR.new.clone()), "{length}");
        cached.kept(2).await;
        assert_eq!((fetched(&upstream, NEW), desk.asked()), (1, 1), "{length}");
        let counted = cached.counters.now();
        assert_eq!((counted.deltas, counted.delta_saved_bytes), (0, 0));
        let most = (PAIR.old.len() + PAIR.new.len() + length) as u64;
        assert!(counted.bytes_fetched <= most);
        // Who sends that is not asked again for a while.
        upstream.put_bytes("pool/thing_3_all.deb", b"third");
        let third = cached.get("pool/thing_3_all.deb").await;
        assert_eq!((third, desk.asked()), (Ok(b"third".to_vec()), 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipe_that_is_not_there_stalls_or_breaks_off_costs_nobody_the_file() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));
    assert_eq!((fetched(&upstream, NEW), desk.asked()), (1, 1));

    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.is_silent.store(true, Ordering::Relaxed);
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));

    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    if let Some(offer) = &mut *desk.offer.lock().unwrap() {
        offer.3.truncate(100);
    }
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));
    assert_eq!((fetched(&upstream, NEW), desk.asked()), (1, 2), "once more");
    upstream.put_bytes("pool/thing_3_all.deb", b"third");
    let third = cached.get("pool/thing_3_all.deb").await;
    assert_eq!((third, desk.asked()), (Ok(b"third".to_vec()), 2), "a while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_that_was_damaged_at_rest_is_given_up_and_the_whole_file_fetched() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    let held = files(&folder.path().join("bytes"));
    let file = fs::OpenOptions::new().write(true).open(&held[0]).unwrap();
    file.write_all_at(&[0xff; 16], 4711).unwrap();
    assert!(cached.get(NEW).await == Ok(PAIR.new.clone()));
    cached.kept(1).await;
    assert_eq!(fetched(&upstream, NEW), 1);
    assert_eq!(cached.counters.now().recipe_bytes, 0, "not even asked for");
    assert!(cached.get(OLD).await == Ok(PAIR.old.clone()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_fetched_ahead_is_made_only_with_the_hash_of_the_plan() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    let staged = |sha256: Sha256| -> Staged {
        let plan = StagingPlan {
            plan: vec![7; 32],
            payloads: vec![StagedPayload {
                repository: "http://deb.example/debian".into(),
                path: NEW.into(),
                sha256: sha256.0.to_vec(),
                size_bytes: PAIR.new.len() as u64,
                deployment_id: "019aa2b0-0000-7000-8000-000000000001".into(),
                wave: 1,
                needed_at_ms: 0,
            }],
        };
        Plan::read(&plan).payloads()[0].clone()
    };
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    let other = cached.cache.stage(&staged(Sha256::of(b"other"))).await;
    other.expect_err("another hash");
    assert_eq!(fetched(&upstream, NEW), 1);
    let asked = desk.asked.lock().unwrap()[0].sha256.clone();
    assert_eq!(asked, Sha256::of(b"other").0);

    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let (cached, desk) = holding(folder.path(), &upstream).await;
    desk.offer(&PAIR.old, &PAIR.new, &PAIR.recipe);
    let own = staged(Sha256::of(&PAIR.new));
    cached.cache.stage(&own).await.expect("staged");
    assert!(cached.cache.holds(&own));
    assert_eq!(fetched(&upstream, NEW), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_while_it_rebuilds_serves_the_right_bytes_when_it_is_back() {
    for delay in [0, 100, 400].map(Duration::from_millis) {
        let (edge, upstream) = (Edge::start().await, Upstream::start().await);
        *edge.desk.settings.lock().unwrap() = SiteSettings {
            site_id: "a-site".into(),
            upstreams: vec![netpatch_protocol::site::Upstream {
                repository: upstream.base.clone(),
                urls: Vec::new(),
            }],
            ..SiteSettings::default()
        };
        upstream.put_bytes(OLD, &PAIR.old);
        upstream.put_bytes(NEW, &PAIR.new);
        let found = DeltaFound {
            base: Sha256::of(&PAIR.old).0.to_vec(),
            sha256: Sha256::of(&PAIR.new).0.to_vec(),
        };
        *edge.desk.delta.lock().unwrap() = Some((found, PAIR.recipe.clone()));
        let folder = tempfile::tempdir().unwrap();
        edge.claimed(folder.path());
        let host = edge.organization.host();
        let ask = async |address: &str, path: &str| {
            let ca = edge.organization.der.clone();
            let client = SiteClient::new(address.to_owned(), ca, host.clone(), clock(), limits());
            let wanted = PayloadRequest {
                repository: upstream.base.clone(),
                path: path.into(),
                ..request(path)
            };
            let connection = client.connection().await.ok()?;
            let (_, mut stream) = connection.payload(wanted).await.ok()?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.ok()?;
            Some(bytes)
        };
        let (mut relay, address) = crate::killed::run(folder.path(), "127.0.0.1:0").await;
        assert!(ask(&address, OLD).await.as_ref() == Some(&PAIR.old));
        // What is kept is there a moment after it was served.
        let kept = async || (!files(&folder.path().join("cache/entries")).is_empty()).then_some(());
        until(kept).await;
        let killing = async {
            let asked = async || (!edge.desk.deltas_asked.lock().unwrap().is_empty()).then_some(());
            until(asked).await;
            tokio::time::sleep(delay).await;
            relay.kill().await.unwrap();
        };
        let (got, ()) = tokio::join!(ask(&address, NEW), killing);
        assert!(got.is_none_or(|bytes| bytes == PAIR.new), "half a file");
        let (_relay, address) = crate::killed::run(folder.path(), &address).await;
        for file in files(&folder.path().join("cache/bytes")) {
            let name = file.file_name().unwrap().to_str().unwrap();
            let digest = Sha256::of(&fs::read(&file).unwrap());
            assert_eq!(digest.to_string(), name, "a kept file is whole");
        }
        assert!(ask(&address, NEW).await.as_ref() == Some(&PAIR.new));
        assert_eq!(fetched(&upstream, NEW), 0, "made of the old one");
    }
}

pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> Option<()>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while is_so().await.is_none() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
