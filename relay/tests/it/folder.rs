//! The cache's folder in trouble, and looked after from outside: hosts are served whatever happens to it.

use crate::cache::files;
use crate::front::{Front, REPOSITORY, bytes, within};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small file system over a folder, for as long as this lives.
struct Small(PathBuf);

impl Small {
    fn over(folder: &Path) -> Self {
        mount(
            Some("tmpfs"),
            folder,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=1m"),
        )
        .unwrap();
        Self(folder.to_owned())
    }

    fn read_only(&self) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let none = None::<&str>;
        mount(none, &self.0, none, flags, none).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[tokio::test]
async fn a_full_folder_costs_the_cache_and_no_host() {
    let folder = tempfile::tempdir().unwrap();
    let _small = Small::over(folder.path());
    let front = Front::start_in(60, folder.path()).await;
    let wanted = bytes(3_000_000);
    front.upstream.put_bytes("pool/big.deb", &wanted);
    front.upstream.put_bytes("pool/small.deb", b"small");
    for round in 1..3 {
        assert!(front.get("pool/big.deb").await == (200, wanted.clone()));
        assert_eq!(front.upstream.requests().len(), round, "not kept");
    }
    assert!(!front.cache.problem().is_empty());
    // What fits is kept, and then all is well.
    assert_eq!(front.get("pool/small.deb").await, (200, b"small".to_vec()));
    front.kept(1).await;
    within(async {
        while !front.cache.problem().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_became_read_only_serves_what_it_has_and_the_rest_from_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let small = Small::over(folder.path());
    let front = Front::start_in(60, folder.path()).await;
    front.upstream.put_bytes("pool/a.deb", b"kept");
    assert_eq!(front.get("pool/a.deb").await.0, 200);
    front.kept(1).await;
    small.read_only();
    front.upstream.put_bytes("pool/b.deb", b"passed");
    for _ in 0..2 {
        assert_eq!(front.get("pool/b.deb").await, (200, b"passed".to_vec()));
        assert_eq!(front.get("pool/a.deb").await, (200, b"kept".to_vec()));
    }
    assert_eq!(front.upstream.requests().len(), 3);
    assert!(
        front.cache.problem().contains("ead-only"),
        "{}",
        front.cache.problem()
    );
}

#[tokio::test]
async fn a_folder_that_is_deleted_is_made_anew() {
    let front = Front::start(60).await;
    let wanted = bytes(300_000);
    front.upstream.put_bytes("pool/a.deb", &wanted);
    assert!(front.get("pool/a.deb").await == (200, wanted.clone()));
    front.kept(1).await;
    std::fs::remove_dir_all(front.folder.path()).unwrap();
    for _ in 0..3 {
        assert!(front.get("pool/a.deb").await == (200, wanted.clone()));
        within(async {
            while files_in(&front.folder.path().join("entries")) != 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(front.upstream.requests().len(), 2, "fetched anew, once");
    assert_eq!(front.cache.problem(), "");
}

fn files_in(folder: &Path) -> usize {
    match folder.exists() {
        true => files(folder).len(),
        false => 0,
    }
}

fn relay(data: &Path, arguments: &[&str]) -> (i32, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netpatch-relay"));
    command
        .arg("cache")
        .args(arguments)
        .args(["-o", "json", "--data-dir"])
        .arg(data);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code().unwrap(), value)
}

/// The program works on the folder of a relay that goes on serving.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_at_rest_is_found_evicted_and_fetched_anew() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("cache");
    let front = Front::start_in(60, &folder).await;
    let payload = |n: usize| bytes(200_000 + n);
    for n in 0..3 {
        front
            .upstream
            .put_bytes(&format!("pool/{n}.deb"), &payload(n));
        assert_eq!(front.get(&format!("pool/{n}.deb")).await.0, 200);
        front.kept(n + 1).await;
    }
    front.upstream.put_bytes("dists/x/InRelease", b"list");
    assert_eq!(front.get("dists/x/InRelease").await.0, 200);
    front.kept(4).await;
    let (code, stats) = relay(data.path(), &["stats"]);
    assert_eq!((code, &stats["stock"]["packages"]), (0, &3.into()));
    assert_eq!(stats["stock"]["bytes"], 600_003 + 4);
    let (code, audit) = relay(data.path(), &["verify"]);
    assert_eq!(
        (code, &audit["whole"], &audit["bytes"]),
        (0, &4.into(), &600_007.into())
    );

    let big = files(&folder.join("bytes"))
        .into_iter()
        .find(|file| file.metadata().unwrap().len() == 200_001);
    let file = std::fs::OpenOptions::new().write(true).open(big.unwrap());
    file.unwrap().write_all_at(&[0xff], 100_000).unwrap();
    std::fs::write(folder.join("entries/garbage.json"), b"{").unwrap();
    let (code, audit) = relay(data.path(), &["verify"]);
    assert_eq!((code, &audit["whole"]), (1, &3.into()));
    let evicted: Vec<String> = serde_json::from_value(audit["evicted"].clone()).unwrap();
    assert!(evicted.contains(&"garbage.json".to_owned()), "{evicted:?}");
    assert!(
        evicted.contains(&format!("{REPOSITORY}/pool/1.deb")),
        "{evicted:?}"
    );
    let asked = front.upstream.requests().len();
    for n in 0..3 {
        assert!(front.get(&format!("pool/{n}.deb")).await == (200, payload(n)));
    }
    assert_eq!(front.upstream.requests().len(), asked + 1);
    within(async {
        while files_in(&folder.join("entries")) != 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(relay(data.path(), &["verify"]).0, 0);

    // Metadata goes first.
    let (_, gone) = relay(data.path(), &["prune", "--to-bytes", "600003"]);
    assert_eq!((&gone["payloads"], &gone["bytes"]), (&1.into(), &4.into()));
    let (_, gone) = relay(data.path(), &["prune", "--to-bytes", "250000"]);
    assert_eq!(gone["payloads"], 2);
    let (_, gone) = relay(data.path(), &["prune", "--older-than-days", "1"]);
    assert_eq!(gone["payloads"], 0);
    for n in 0..3 {
        assert!(front.get(&format!("pool/{n}.deb")).await == (200, payload(n)));
    }
}
