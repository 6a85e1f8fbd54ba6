//! Databases per test, and that nothing is left of them.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

use netpatch_testkit::{TestDatabase, poll_until, seeded};
use rand::Rng as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set by the test below for the copy of this program that it kills.
const KILLED: &str = "NETPATCH_TEST_KILLED";

#[tokio::test]
async fn a_killed_test_process_leaves_nothing() {
    if let Ok(folder) = std::env::var(KILLED) {
        let test = TestDatabase::new(&[]).await;
        test.database().ping().await.unwrap();
        std::fs::write(format!("{folder}/up"), "").unwrap();
        std::future::pending::<()>().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_test_process_leaves_nothing"])
        .env(KILLED, folder.path())
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let up = folder.path().join("up");
    poll_until(
        "the database of the other process",
        Duration::from_secs(60),
        async || up.exists().then_some(()),
    )
    .await;
    let cluster = folder
        .path()
        .join(format!("netpatch-test-{}", process.id()));
    assert!(cluster.exists());
    process.kill().unwrap();
    process.wait().unwrap();
    poll_until("nothing is left", Duration::from_secs(30), async || {
        (!cluster.exists()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, two) = (TestDatabase::new(&[]).await, TestDatabase::new(&[]).await);
    assert_ne!(one.admin_url(), two.admin_url());
    one.database().ping().await.unwrap();
    two.database().ping().await.unwrap();
}

#[test]
fn the_same_seed_yields_the_same() {
    let numbers = |seed| -> Vec<u64> {
        let mut generator = seeded(seed);
        (0..4).map(|_| generator.random()).collect()
    };
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
}
