//! Transactions that fail on purpose: the named cause, and the way back.

use crate::host::Host;
use netpatch_agent::provider::{Installer as _, PlanError, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::{Failure, FailureCause};
use nix::fcntl::{FcntlArg, fcntl};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File};

/// Installs, expects the failure, rolls back, expects nothing to differ.
async fn fails_and_rolls_back(package: &str) -> Failure {
    let host = Host::with(&[package, "np-good"]).await;
    let before = host.status();
    let (plan, content) = host.made_ready(&[package, "np-good"]).await;
    let folder = host.run_folder();
    host.apt
        .start_install(&plan, &folder)
        .await
        .expect("starts");
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(100));
    let failure = host.apt.diagnose(&folder, Step::Install, 100).await;
    let verification = host
        .apt
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert!(verification.failure.is_some());
    host.rolls_back_to(&before).await;
    assert_eq!(host.version(package), "1.0-1 installed");
    failure
}

fn has(failure: &Failure, text: &str) {
    assert!(
        failure.evidence.iter().any(|line| line.contains(text)),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_failing_postinst_is_named_and_undone() {
    let failure = fails_and_rolls_back("np-failing-postinst").await;
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "cannot migrate the database");
}

#[tokio::test]
async fn a_failing_preinst_is_named_and_undone() {
    let failure = fails_and_rolls_back("np-failing-preinst").await;
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "this processor is too old");
}

#[tokio::test]
async fn a_broken_archive_is_named_and_undone() {
    let failure = fails_and_rolls_back("np-broken-archive").await;
    assert_eq!(failure.cause, FailureCause::PayloadCorrupt);
}

#[tokio::test]
async fn a_payload_with_another_hash_is_never_staged() {
    let host = Host::with(&["np-good"]).await;
    let (plan, _) = host.plan(&["np-good"]).await;
    *host.shelf.damaged.lock().expect("lock") = Some("np-good_2.0-1".into());
    let folder = host.run_folder();
    match host
        .apt
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
    {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::PayloadCorrupt);
            has(&failure, "np-good");
        }
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.apt
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
        .expect("the next try succeeds");
}

#[tokio::test]
async fn a_damaged_index_is_refused() {
    let host = Host::with(&["np-good"]).await;
    let lists = host.root().join("var/lib/apt/lists");
    for entry in fs::read_dir(lists).expect("lists").flatten() {
        let _ = fs::remove_file(entry.path());
    }
    *host.shelf.damaged.lock().expect("lock") = Some("InRelease".into());
    let failure = host
        .apt
        .refresh(Some(&host.origin.url()))
        .await
        .expect_err("refused");
    assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
}

#[tokio::test]
async fn a_full_disk_is_named_while_staging() {
    let host = Host::with(&["np-big"]).await;
    let (plan, _) = host.plan(&["np-big"]).await;
    let folder = host.run_folder();
    mount(
        Some("tmpfs"),
        &folder,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=4m"),
    )
    .expect("a small file system");
    let staged = host
        .apt
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await;
    umount2(&folder, MntFlags::MNT_DETACH).expect("unmounts");
    match staged {
        Err(PlanError::Failed(failure)) => assert_eq!(failure.cause, FailureCause::DiskFull),
        other => panic!("{other:?}"),
    }
    assert_eq!(host.version("np-big"), "1.0-1 installed");
}

#[tokio::test]
async fn a_held_lock_stops_the_run_before_anything_is_changed() {
    let host = Host::with(&["np-good"]).await;
    let (plan, _) = host.made_ready(&["np-good"]).await;
    let file = File::options()
        .write(true)
        .open(host.root().join("var/lib/dpkg/lock-frontend"))
        .expect("the lock file");
    let lock = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // A lock of the open file: it counts as another program's.
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).expect("locks");
    let failure = host
        .apt
        .snapshot(&plan, &host.run_folder())
        .await
        .expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    drop(file);
    host.apt
        .snapshot(&plan, &host.run_folder())
        .await
        .expect("free again");
}
