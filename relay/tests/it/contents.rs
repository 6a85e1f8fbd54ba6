//! No host sees a half-updated repository: an index is served as the held table of contents names it.

use crate::cache::{Cached, open_at};
use crate::upstream::{Served, Upstream};
use netpatch_testkit::ManualClock;
use netpatch_types::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const FRESH: u32 = 60;

struct World {
    upstream: Upstream,
    clock: Arc<ManualClock>,
    cached: Cached,
    _folder: TempDir,
}

/// A repository's table and its one index.
struct Repository {
    table: &'static str,
    index: &'static str,
    /// The table's text for the index' digest.
    text: fn(Sha256) -> String,
}

const DEBIAN: Repository = Repository {
    table: "dists/stable/InRelease",
    index: "dists/stable/main/binary-amd64/Packages.gz",
    text: |digest| {
        format!("Origin: test\nSHA256:\n {digest} 9 main/binary-amd64/Packages.gz\nSHA512:\n")
    },
};
const RPM: Repository = Repository {
    table: "9/os/repodata/repomd.xml",
    index: "9/os/repodata/primary.xml.gz",
    text: |digest| {
        format!(
            "<repomd><data type=\"primary\"><checksum type=\"sha256\">{digest}</checksum>\
             <location href=\"repodata/primary.xml.gz\"/></data></repomd>"
        )
    },
};

impl World {
    async fn start() -> Self {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
        let clock = ManualClock::shared();
        let cached = open_at(folder.path(), &upstream, 1 << 30, FRESH, clock.clone());
        Self {
            upstream,
            clock,
            cached,
            _folder: folder,
        }
    }

    /// The vendor has a new version of both.
    fn publish(&self, repository: &Repository, index: &str) {
        let table = (repository.text)(Sha256::of(index.as_bytes()));
        for (path, text) in [(repository.table, &*table), (repository.index, index)] {
            let served = Served {
                body: text.as_bytes().to_vec(),
                etag: format!("\"{index}\""),
                ..Served::default()
            };
            self.upstream.put(path, served);
        }
    }

    async fn get(&self, path: &str) -> String {
        String::from_utf8(self.cached.get(path).await.expect("served")).unwrap()
    }

    /// What a package manager does: the table, then the index that it names, which has to be that one.
    async fn update(&self, repository: &Repository) -> Result<String, String> {
        let table = self.get(repository.table).await;
        let index = self.get(repository.index).await;
        if table == (repository.text)(Sha256::of(index.as_bytes())) {
            Ok(index)
        } else {
            Err(index)
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn asked(&self) -> usize {
        self.upstream.requests().len()
    }
}

#[tokio::test]
async fn an_index_is_fetched_anew_when_a_new_table_names_another_one() {
    for repository in [DEBIAN, RPM] {
        let world = World::start().await;
        world.publish(&repository, "old");
        world.get(repository.table).await;
        world.cached.kept(1).await;
        world.pass(30);
        assert_eq!(world.update(&repository).await, Ok("old".into()));
        world.cached.kept(2).await;
        world.publish(&repository, "new");
        // The table is too old now, the index would not be for half a minute.
        world.pass(31);
        assert_eq!(world.update(&repository).await, Ok("new".into()));
    }
}

#[tokio::test]
async fn an_index_that_the_table_names_is_served_without_asking() {
    for repository in [DEBIAN, RPM] {
        let world = World::start().await;
        world.publish(&repository, "old");
        world.get(repository.index).await;
        world.cached.kept(1).await;
        world.pass(30);
        assert_eq!(world.update(&repository).await, Ok("old".into()));
        world.cached.kept(2).await;
        world.publish(&repository, "new");
        // The index is too old by time, but the table still names it: asking would bring one that it does not name.
        world.pass(31);
        let asked = world.asked();
        assert_eq!(world.update(&repository).await, Ok("old".into()));
        assert_eq!(world.asked(), asked);
        world.pass(30);
        assert_eq!(world.update(&repository).await, Ok("new".into()));
    }
}

#[tokio::test]
async fn a_table_is_asked_for_again_when_its_index_turned_out_newer() {
    for repository in [DEBIAN, RPM] {
        let world = World::start().await;
        world.publish(&repository, "old");
        world.get(repository.table).await;
        world.cached.kept(1).await;
        world.publish(&repository, "new");
        // Nothing here can name the old index any more.
        assert_eq!(world.update(&repository).await, Err("new".into()));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while world.update(&repository).await != Ok("new".into()) {
            assert!(tokio::time::Instant::now() < deadline, "the table stays");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_table_that_is_no_text_changes_nothing() {
    let world = World::start().await;
    for (path, bytes) in [
        (DEBIAN.table, vec![0xff; 5000]),
        (DEBIAN.index, b"index".to_vec()),
    ] {
        let served = Served {
            body: bytes,
            etag: "\"1\"".into(),
            ..Served::default()
        };
        world.upstream.put(path, served);
    }
    world.cached.get(DEBIAN.table).await.expect("served");
    assert_eq!(world.get(DEBIAN.index).await, "index");
    world.cached.kept(2).await;
    world.pass(30);
    let asked = world.asked();
    assert_eq!(world.get(DEBIAN.index).await, "index");
    assert_eq!(world.asked(), asked, "fresh by time, as before");
}

/// A table with a detached signature.
const SIGNED: [(&str, &str); 2] = [
    ("dists/stable/Release", "dists/stable/Release.gpg"),
    ("9/os/repodata/repomd.xml", "9/os/repodata/repomd.xml.asc"),
];

impl World {
    fn publish_text(&self, path: &str, text: &str) {
        let served = Served {
            body: text.as_bytes().to_vec(),
            etag: format!("\"{text}\""),
            ..Served::default()
        };
        self.upstream.put(path, served);
    }

    fn publish_signed(&self, (table, signature): (&str, &str), version: &str) {
        self.publish_text(table, version);
        self.publish_text(signature, &format!("{version}, signed"));
    }

    /// What a package manager does: the table, then its signature, which has to be for just this one.
    async fn update_signed(&self, (table, signature): (&str, &str)) -> Result<String, String> {
        let table = self.get(table).await;
        let signature = self.get(signature).await;
        if signature == format!("{table}, signed") {
            Ok(table)
        } else {
            Err(format!("{table} / {signature}"))
        }
    }
}

#[tokio::test]
async fn a_detached_signature_is_fetched_anew_when_its_table_is_another() {
    for pair in SIGNED {
        let world = World::start().await;
        world.publish_signed(pair, "old");
        world.get(pair.0).await;
        world.cached.kept(1).await;
        world.pass(30);
        assert_eq!(world.update_signed(pair).await, Ok("old".into()));
        world.cached.kept(2).await;
        world.publish_signed(pair, "new");
        // The table is too old now, the signature would not be for half a minute.
        world.pass(31);
        assert_eq!(world.update_signed(pair).await, Ok("new".into()));
    }
}

#[tokio::test]
async fn a_detached_signature_is_served_while_its_table_is_the_one_that_is_held() {
    for pair in SIGNED {
        let world = World::start().await;
        world.publish_signed(pair, "old");
        world.get(pair.1).await;
        world.cached.kept(1).await;
        world.pass(30);
        assert_eq!(world.update_signed(pair).await, Ok("old".into()));
        world.cached.kept(2).await;
        // Beside a table that came after it, it is asked for once more.
        assert_eq!(world.update_signed(pair).await, Ok("old".into()));
        world.pass(61);
        assert_eq!(world.get(pair.0).await, "old", "confirmed");
        world.publish_signed(pair, "new");
        // The signature is too old by time, its table is not: asking would bring one that is not for it.
        world.pass(10);
        let asked = world.asked();
        assert_eq!(world.update_signed(pair).await, Ok("old".into()));
        assert_eq!(world.asked(), asked);
        world.pass(61);
        assert_eq!(world.update_signed(pair).await, Ok("new".into()));
    }
}

#[tokio::test]
async fn a_repository_caught_while_it_is_published_is_whole_when_its_vendor_is_done() {
    for pair in SIGNED {
        let world = World::start().await;
        world.publish_signed(pair, "old");
        assert_eq!(world.update_signed(pair).await, Ok("old".into()));
        world.cached.kept(2).await;
        world.pass(61);
        world.publish_text(pair.0, "new");
        let torn = world.update_signed(pair).await;
        assert_eq!(torn, Err("new / old, signed".into()), "as without a cache");
        world.publish_signed(pair, "new");
        // At once, though table and signature were asked for a moment ago.
        assert_eq!(world.update_signed(pair).await, Ok("new".into()));
        assert_eq!(world.update_signed(pair).await, Ok("new".into()));
        // And without a vendor what is held is served.
        world.upstream.set_down(true);
        world.pass(1_000);
        assert_eq!(world.update_signed(pair).await, Ok("new".into()));
    }
}
