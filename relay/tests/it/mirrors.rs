//! Several upstreams of one repository: the next one takes over, in mid-payload too, and what one has sent wrong is not kept.

use crate::cache::{Cached, bytes, open};
use crate::front::within;
use crate::upstream::{Served, Upstream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const PATH: &str = "pool/a.deb";

struct World {
    first: Upstream,
    second: Upstream,
    cached: Cached,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Upstream::start().await, Upstream::start().await);
        let cached = open(folder.path(), &first);
        cached.fetch_from(&[&first.base, &second.base]);
        Self {
            first,
            second,
            cached,
            _folder: folder,
        }
    }
}

fn version(body: &[u8]) -> Served {
    Served {
        body: body.to_vec(),
        etag: "\"v1\"".into(),
        ..Served::default()
    }
}

#[tokio::test]
async fn an_upstream_that_failed_is_asked_after_the_others() {
    let world = World::start().await;
    world.first.set_down(true);
    for path in ["pool/a.deb", "pool/b.deb"] {
        world.second.put_bytes(path, path.as_bytes());
        let got = world.cached.get(path).await;
        assert_eq!(got, Ok(path.as_bytes().to_vec()));
    }
    assert_eq!(world.first.requests().len(), 1, "only at the first payload");
    // It is asked all the same for what the other one does not have.
    world.first.set_down(false);
    world.first.put_bytes("pool/c.deb", b"c");
    assert_eq!(world.cached.get("pool/c.deb").await, Ok(b"c".to_vec()));
    assert_eq!(world.cached.get("pool/d.deb").await, Err(404));
}

#[tokio::test]
async fn an_upstream_that_falls_silent_or_sends_next_to_nothing_is_left_for_another_one() {
    let wanted = bytes(300_000);
    let silent = Served {
        hold: Some(Arc::new(Notify::new())),
        ..version(&wanted)
    };
    let dripping = Served {
        drip: true,
        ..version(&wanted)
    };
    for bad in [silent, dripping] {
        let world = World::start().await;
        world.cached.cache.limit_waits(Duration::from_millis(150));
        world.first.put(PATH, bad);
        world.second.put(PATH, version(&wanted));
        let got = within(world.cached.get(PATH)).await;
        assert!(got == Ok(wanted.clone()), "{:?}", got.map(|got| got.len()));
        let rest = world.second.requests();
        assert_eq!(rest.len(), 1);
        assert!(rest[0].contains("bytes="), "only the rest: {rest:?}");
        world.cached.kept(1).await;
        assert!(world.cached.get_known(PATH, &wanted).await == Ok(wanted.clone()));
        assert_eq!(world.second.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_upstream_that_falls_silent_for_good_is_given_up_and_another_version_never_mixed_in() {
    let world = World::start().await;
    world.cached.cache.limit_waits(Duration::from_millis(100));
    let silent = Served {
        hold: Some(Arc::new(Notify::new())),
        ..version(&[1; 200_000])
    };
    world.first.put(PATH, silent);
    let other = Served {
        etag: "\"v2\"".into(),
        ..version(&[2; 200_000])
    };
    world.second.put(PATH, other);
    assert_eq!(within(world.cached.get(PATH)).await, Err(502));
    assert_eq!(world.cached.cache.usage().payloads, 0);
    // One that does not answer at all.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute = format!("http://{}", listener.local_addr().unwrap());
    world.cached.fetch_from(&[&mute]);
    assert_eq!(within(world.cached.get(PATH)).await, Err(502));
    world.cached.fetch_from(&[&mute, &world.second.base]);
    assert!(within(world.cached.get(PATH)).await == Ok(vec![2; 200_000]));
}

#[tokio::test]
async fn a_length_that_is_a_lie_makes_nothing_look_whole() {
    let wanted = bytes(100_000);
    let world = World::start().await;
    let longer = Served {
        says: Some(100_001),
        ..version(&wanted)
    };
    world.first.put(PATH, longer);
    assert_eq!(within(world.cached.get(PATH)).await, Err(502));
    assert_eq!(world.cached.cache.usage().payloads, 0);

    // Nobody can tell that a shorter one is a lie but who knows the hash: then the next one is asked, at the next time.
    let world = World::start().await;
    let shorter = Served {
        says: Some(70_000),
        ..version(&wanted)
    };
    world.first.put(PATH, shorter);
    world.second.put(PATH, version(&wanted));
    let torn = world.cached.get_known(PATH, &wanted).await;
    assert!(torn == Ok(wanted[..70_000].to_vec()));
    assert_eq!(world.cached.cache.usage().payloads, 0);
    assert!(world.cached.get_known(PATH, &wanted).await == Ok(wanted.clone()));
    world.cached.kept(1).await;
    assert_eq!(world.second.requests().len(), 1);
}

#[tokio::test]
async fn what_only_the_end_of_its_connection_ends_is_kept_only_when_its_hash_is_known() {
    let wanted = bytes(50_000);
    let world = World::start().await;
    let bare = |body: &[u8]| Served {
        bare: true,
        ..version(body)
    };
    world.first.put(PATH, bare(&wanted[..20_000]));
    assert!(world.cached.get(PATH).await == Ok(wanted[..20_000].to_vec()));
    // The next one gets the whole, so nothing was kept.
    world.first.put(PATH, bare(&wanted));
    assert!(world.cached.get(PATH).await == Ok(wanted.clone()));
    assert!(world.cached.get_known(PATH, &wanted).await == Ok(wanted.clone()));
    world.cached.kept(1).await;
    assert!(world.cached.get(PATH).await == Ok(wanted.clone()));
    assert_eq!(world.first.requests().len(), 3);
}

#[tokio::test]
async fn wrong_bytes_that_are_held_are_fetched_anew_for_who_knows_better() {
    let (wrong, right) = (b"wrong".to_vec(), b"right".to_vec());
    let world = World::start().await;
    world.first.put(PATH, version(&wrong));
    assert_eq!(world.cached.get(PATH).await, Ok(wrong.clone()));
    world.cached.kept(1).await;
    // The same validators: asked whether it changed, the upstream would say no.
    world.first.put(PATH, version(&right));
    let got = world.cached.get_known(PATH, &right).await;
    assert_eq!(got, Ok(right.clone()));
    while world.cached.get(PATH).await != Ok(right.clone()) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(world.first.requests().len(), 2);

    // Who expects something else makes the relay ask a few times, and loses nobody what is held.
    for _ in 0..20 {
        let got = world.cached.get_known(PATH, b"never seen").await;
        assert_eq!(got, Ok(right.clone()));
    }
    let asked = world.first.requests().len() + world.second.requests().len();
    assert!(asked <= 2 + 2 * 3, "{asked}");
    assert_eq!(world.cached.get(PATH).await, Ok(right.clone()));
    assert_eq!(world.cached.cache.usage().payloads, 1);
}

#[tokio::test]
async fn an_index_is_served_by_its_own_rules_whatever_a_request_says_of_its_hash() {
    let world = World::start().await;
    let path = "dists/x/InRelease";
    world.first.put(path, version(b"list"));
    for _ in 0..3 {
        let got = world.cached.get_known(path, b"another list").await;
        assert_eq!(got, Ok(b"list".to_vec()));
        world.cached.kept(1).await;
    }
}
