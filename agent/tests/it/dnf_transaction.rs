//! Transactions with the real dnf and rpm: as planned, failing on purpose, cut off, and back.

use crate::host::until;
use crate::root::kill_session;
use crate::rpm_host::RpmHost;
use netpatch_agent::provider::dnf::Dnf;
use netpatch_agent::provider::{Installer as _, PlanError, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{Change, ContentItem, Plan};
use netpatch_agent_core::{Failure, FailureCause};
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{self, File};

fn has(failure: &Failure, text: &str) {
    assert!(
        failure.evidence.iter().any(|line| line.contains(text)),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_good_update_is_installed_from_staged_files_and_undone() {
    let host = RpmHost::with(&["np-good", "np-config", "np-secure"]).await;
    let setting = host.machine.path().join("etc/np-config.conf");
    fs::write(&setting, "setting=mine\n").expect("the host's own setting");
    let before = host.packages();
    let (plan, content) = host
        .made_ready(&["np-good", "np-config", "np-secure"])
        .await;
    let (relay_bytes, origin_bytes) = host.origin.bytes();
    assert!(relay_bytes > 0 && origin_bytes == 0);
    // The repositories may vanish: everything is here.
    *host.shelf.gone.lock().expect("lock") = Some("np-".into());
    assert_eq!(
        host.installed(&plan).await,
        Transaction::Ended(0),
        "{}",
        host.log("install.log")
    );
    let folder = host.run_folder();
    let verification = host
        .installer
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(verification.failure, None);
    assert!(
        verification.audit_clean && verification.in_use.is_empty(),
        "{verification:?}"
    );
    assert!(host.has("np-good-2.0") && host.has("np-secure-2.0"));
    assert_eq!(
        fs::read_to_string(&setting).expect("the setting"),
        "setting=mine\n"
    );
    let differences = host.installer.compare(&folder).await.expect("compared");
    assert_eq!(differences.len(), 6, "{differences:?}");
    fs::write(&setting, "setting=1.0\n").expect("as the package has it, for rpm -Va");
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn new_replaced_and_parallel_packages_go_back_too() {
    let packages = [
        "np-new-dependency",
        "np-replaced",
        "np-replacing",
        "np-kernel",
    ];
    let host = RpmHost::with(&packages).await;
    let before = host.packages();
    let (plan, content) = host
        .made_ready(&["np-new-dependency", "np-replacing", "np-kernel"])
        .await;
    let changes: Vec<_> = plan
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.change))
        .collect();
    assert_eq!(
        changes,
        [
            ("np-dependency", Change::Install),
            ("np-kernel", Change::Install),
            ("np-new-dependency", Change::Upgrade),
            ("np-replaced", Change::Remove),
            ("np-replacing", Change::Upgrade),
        ]
    );
    assert_eq!(
        host.installed(&plan).await,
        Transaction::Ended(0),
        "{}",
        host.log("install.log")
    );
    let verification = host
        .installer
        .verify(&plan, &content, &host.run_folder())
        .await
        .expect("verified");
    assert_eq!(verification.failure, None);
    assert!(host.has("np-kernel-1.0") && host.has("np-kernel-2.0"));
    let kernels = host.components().await;
    let kernels: Vec<_> = kernels
        .iter()
        .filter(|one| one.name == "np-kernel")
        .map(|one| one.version.as_str())
        .collect();
    assert_eq!(kernels, ["1.0-1", "2.0-1"], "the highest is last");
    let marked = host
        .machine
        .inside("dnf", &["-q", "repoquery", "--unneeded", "--disablerepo=*"]);
    assert!(marked.stdout.is_empty(), "{marked:?}");
    let user = host
        .machine
        .inside("dnf", &["-q", "history", "userinstalled"]);
    let user = String::from_utf8_lossy(&user.stdout).into_owned();
    assert!(
        user.contains("np-new-dependency") && !user.contains("np-dependency-1"),
        "{user}"
    );
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_failing_post_script_is_noticed_although_rpm_is_content() {
    let host = RpmHost::with(&["np-failing-post", "np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-failing-post", "np-good"]).await;
    let folder = host.run_folder();
    assert_eq!(host.installed(&plan).await, Transaction::Ended(3));
    assert!(
        host.has("np-failing-post-2.0"),
        "rpm counts it as installed"
    );
    let failure = host.installer.diagnose(&folder, Step::Install, 3).await;
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "cannot migrate the database");
    // An agent that lost the exit code finds it in the log.
    let found = host
        .installer
        .verify(&plan, &content, &folder)
        .await
        .expect("verified")
        .failure
        .expect("a failure");
    assert_eq!(found.cause, FailureCause::MaintainerScriptFailed);
    has(&found, "cannot migrate the database");
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_failing_pre_script_is_named_and_undone() {
    let host = RpmHost::with(&["np-failing-pre", "np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-failing-pre", "np-good"]).await;
    let folder = host.run_folder();
    let Transaction::Ended(code) = host.installed(&plan).await else {
        panic!("it ended otherwise");
    };
    assert_ne!(code, 0);
    let failure = host.installer.diagnose(&folder, Step::Install, code).await;
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "this processor is too old");
    let verification = host
        .installer
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert!(verification.failure.is_some());
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_payload_with_another_hash_is_never_staged() {
    let host = RpmHost::with(&["np-good", "np-corrupt"]).await;
    let (plan, _) = host.plan(&["np-good"]).await;
    let folder = host.run_folder();
    *host.shelf.damaged.lock().expect("lock") = Some("np-good-2.0".into());
    match host
        .installer
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
    {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.installer
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
        .expect("the next try succeeds");
    // Right by its index, wrong by its own signature.
    let (plan, _) = host.plan(&["np-corrupt"]).await;
    match host
        .installer
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
    {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_the_installed_version_there_is_no_way_back() {
    let host = RpmHost::with(&["np-good", "np-secure"]).await;
    *host.shelf.gone.lock().expect("lock") = Some("np-good-1.0".into());
    let (plan, _) = host.plan(&["np-good", "np-secure"]).await;
    let staged = host
        .installer
        .stage(&plan, &host.run_folder(), Some(&host.origin.url()))
        .await;
    assert_eq!(
        staged.expect("staged").without_way_back,
        ["np-good.noarch 1.0-1"]
    );
}

#[tokio::test]
async fn a_held_lock_stops_the_run_before_anything_is_changed() {
    let host = RpmHost::with(&["np-good"]).await;
    let (plan, _) = host.made_ready(&["np-good"]).await;
    let file = File::options()
        .write(true)
        .open(host.machine.path().join("var/lib/rpm/.rpm.lock"))
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
    let folder = host.run_folder();
    let failure = host
        .installer
        .snapshot(&plan, &folder)
        .await
        .expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    drop(file);
    host.installer
        .snapshot(&plan, &folder)
        .await
        .expect("free again");
}

/// A host whose update waits in its script until the file is removed.
async fn held_up() -> (RpmHost<Dnf>, Vec<String>, Plan, Vec<ContentItem>) {
    let host = RpmHost::with(&["np-held-up", "np-good"]).await;
    let before = host.packages();
    fs::write(host.machine.path().join("run/np-held-up.wait"), "").expect("the file");
    let (plan, content) = host.made_ready(&["np-held-up", "np-good"]).await;
    host.installer
        .start_install(&plan, &host.run_folder())
        .await
        .expect("starts");
    until(|| async { host.has("np-held-up-2.0").then_some(()) }).await;
    (host, before, plan, content)
}

#[tokio::test]
async fn dnf_survives_the_agent_and_is_found_again() {
    let (host, _, plan, content) = held_up().await;
    let folder = host.run_folder();
    // Another agent process knows nothing but the folder.
    let next = Dnf::new(
        host.machine.runner(),
        host.machine.path().join("var/lib/netpatch-agent/dnf"),
    );
    assert_eq!(
        next.transaction(&folder, Step::Install)
            .await
            .expect("state"),
        Transaction::Running
    );
    assert!(
        next.start_install(&plan, &folder).await.is_err(),
        "a second start is refused"
    );
    fs::remove_file(host.machine.path().join("run/np-held-up.wait")).expect("lets it go on");
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(0));
    assert_eq!(
        next.verify(&plan, &content, &folder)
            .await
            .expect("verified")
            .failure,
        None
    );
}

#[tokio::test]
async fn a_killed_dnf_is_noticed_and_rolled_back() {
    let (host, before, plan, content) = held_up().await;
    let folder = host.run_folder();
    kill_session(
        fs::read_to_string(folder.join("install.pid"))
            .expect("pid")
            .trim(),
    );
    assert_eq!(host.ended(Step::Install).await, Transaction::Lost);
    assert_ne!(
        host.packages(),
        before,
        "the interruption left something half done"
    );
    fs::remove_file(host.machine.path().join("run/np-held-up.wait")).expect("lets the script end");
    host.installer.mend(&folder).await.expect("waited");
    let failure = host
        .installer
        .verify(&plan, &content, &folder)
        .await
        .expect("verified")
        .failure;
    has(
        &failure.expect("a failure"),
        "np-held-up.noarch is installed twice",
    );
    host.rolls_back_to(&before).await;
}
