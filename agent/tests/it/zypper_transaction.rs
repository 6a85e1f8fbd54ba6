//! Transactions with the real zypper and rpm: as planned, failing on purpose, cut off, locked out, and back.

use crate::host::until;
use crate::root::kill_session;
use crate::rpm_host::RpmHost;
use netpatch_agent::provider::zypper::Zypper;
use netpatch_agent::provider::{Installer as _, PlanError, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{Change, ContentItem, Plan};
use netpatch_agent_core::{Failure, FailureCause, Refusal};
use std::fs;
use std::time::Duration;

const AUTOMATIC: &str = "var/lib/zypp/AutoInstalled";

fn has(failure: &Failure, text: &str) {
    assert!(
        failure.evidence.iter().any(|line| line.contains(text)),
        "{failure:?}"
    );
}

/// Names that only others need, as libzypp keeps them.
fn automatic(host: &RpmHost<Zypper>) -> Vec<String> {
    let text = fs::read_to_string(host.machine.path().join(AUTOMATIC)).unwrap_or_default();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_good_update_is_installed_from_staged_files_and_undone() {
    let host = RpmHost::with_zypper(&["np-good", "np-config", "np-secure"]).await;
    let setting = host.machine.path().join("etc/np-config.conf");
    fs::write(&setting, "setting=mine\n").expect("the host's own setting");
    let before = host.packages();
    let (plan, content) = host
        .made_ready(&["np-good", "np-config", "np-secure"])
        .await;
    let (relay_bytes, origin_bytes) = host.origin.bytes();
    assert!(relay_bytes > 0 && origin_bytes == 0);
    // The repositories may vanish: everything is here, and nobody is asked.
    *host.shelf.gone.lock().expect("lock") = Some("np-".into());
    host.shelf.asked.lock().expect("lock").clear();
    assert_eq!(
        host.installed(&plan).await,
        Transaction::Ended(0),
        "{}",
        host.log("install.log")
    );
    assert!(host.shelf.asked.lock().expect("lock").is_empty());
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
    // libzypp writes this file when a package of its list wants a restart.
    fs::write(host.machine.path().join("run/reboot-needed"), "").expect("the file");
    let verification = host
        .installer
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(
        verification.in_use,
        ["zypper asks for a restart of the host"]
    );
    fs::write(&setting, "setting=1.0\n").expect("as the package has it, for rpm -Va");
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn new_replaced_and_parallel_packages_and_their_marks_go_back_too() {
    let packages = [
        "np-new-dependency",
        "np-replaced",
        "np-replacing",
        "np-kernel",
        "np-good",
    ];
    let host = RpmHost::with_zypper(&packages).await;
    let marks = host.machine.path().join(AUTOMATIC);
    fs::create_dir_all(marks.parent().expect("a folder")).expect("a folder");
    fs::write(&marks, "# AutoInstalled\nnp-good\n").expect("marks");
    let before = host.packages();
    let (plan, content) = host
        .made_ready(&["np-new-dependency", "np-replacing", "np-kernel", "np-good"])
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
            ("np-good", Change::Upgrade),
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
    assert!(!host.has("np-replaced-1.0") && host.has("np-dependency-1.0"));
    assert_eq!(
        automatic(&host),
        ["np-dependency", "np-good"],
        "what was automatic stays so, and so is what is new"
    );
    host.rolls_back_to(&before).await;
    assert_eq!(automatic(&host), ["np-good"]);
}

#[tokio::test]
async fn a_failing_post_script_is_noticed_and_undone() {
    let host = RpmHost::with_zypper(&["np-failing-post", "np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-failing-post", "np-good"]).await;
    let folder = host.run_folder();
    // ZYPPER_EXIT_INF_RPM_SCRIPT_FAILED
    assert_eq!(host.installed(&plan).await, Transaction::Ended(107));
    assert!(
        host.has("np-failing-post-2.0"),
        "rpm counts it as installed"
    );
    let failure = host.installer.diagnose(&folder, Step::Install, 107).await;
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
    let host = RpmHost::with_zypper(&["np-failing-pre", "np-good"]).await;
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
async fn a_payload_with_another_hash_or_a_wrong_signature_is_never_staged() {
    let host = RpmHost::with_zypper(&["np-good", "np-corrupt"]).await;
    let proxy = host.origin.url();
    let (plan, _) = host.plan(&["np-good"]).await;
    let folder = host.run_folder();
    *host.shelf.damaged.lock().expect("lock") = Some("np-good-2.0".into());
    match host.installer.stage(&plan, &folder, Some(&proxy)).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.installer
        .stage(&plan, &folder, Some(&proxy))
        .await
        .expect("the next try succeeds");
    // Right by its index, wrong by its own signature.
    let (plan, _) = host.plan(&["np-corrupt"]).await;
    match host.installer.stage(&plan, &folder, Some(&proxy)).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_host_that_changed_after_the_plan_is_not_touched() {
    let host = RpmHost::with_zypper(&["np-good", "np-secure"]).await;
    let (plan, _) = host.plan(&["np-good", "np-secure"]).await;
    // A person was faster.
    let name = "np-good-2.0-1.noarch.rpm";
    let place = host.machine.path().join("var/tmp").join(name);
    fs::copy(crate::rpm_host::folder().join(name), place).expect("a package");
    let output = host
        .machine
        .inside("rpm", &["-U", &format!("/var/tmp/{name}")]);
    assert!(output.status.success(), "{output:?}");
    let staged = host
        .installer
        .stage(&plan, &host.run_folder(), Some(&host.origin.url()))
        .await;
    match staged {
        Err(PlanError::Refused(refused)) => {
            assert_eq!(refused.refusal, Refusal::PlanDiffers, "{refused}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_the_installed_version_there_is_no_way_back() {
    let host = RpmHost::with_zypper(&["np-good", "np-secure"]).await;
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

/// A host whose update waits in its script until the file is removed.
async fn held_up() -> (RpmHost<Zypper>, Vec<String>, Plan, Vec<ContentItem>) {
    let host = RpmHost::with_zypper(&["np-held-up", "np-good"]).await;
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
async fn another_zypper_that_works_is_waited_for_and_named() {
    let (host, _, plan, _) = held_up().await;
    let folder = host.run_folder();
    assert!(host.installer.lock_holder().is_some());
    // For another run of the agent, this zypper is any other program.
    let other = folder.with_file_name("2");
    fs::create_dir_all(&other).expect("a folder");
    let failure = host
        .installer
        .snapshot(&plan, &other)
        .await
        .expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    let failure = host.installer.installable().await.expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    has(&failure, "System management is locked");
    // One with patience gets its answer as soon as the other has ended.
    let work = host.machine.path().join("var/lib/netpatch-agent/zypper");
    let patient = Zypper::new(host.machine.runner(), work).waiting(Duration::from_secs(100));
    let asked = tokio::spawn(async move { patient.installable().await });
    fs::remove_file(host.machine.path().join("run/np-held-up.wait")).expect("lets it go on");
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(0));
    let updates = asked.await.expect("a task").expect("an answer");
    assert_eq!(updates, Vec::new(), "everything is installed");
    assert_eq!(host.installer.lock_holder(), None);
    host.installer.snapshot(&plan, &other).await.expect("free");
}

#[tokio::test]
async fn zypper_survives_the_agent_and_is_found_again() {
    let (host, _, plan, content) = held_up().await;
    let folder = host.run_folder();
    // Another agent process knows nothing but the folder.
    let work = host.machine.path().join("var/lib/netpatch-agent/zypper");
    let next = Zypper::new(host.machine.runner(), work);
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
async fn a_killed_zypper_is_noticed_and_rolled_back() {
    let (host, before, plan, content) = held_up().await;
    let folder = host.run_folder();
    let supervisor = fs::read_to_string(folder.join("install.pid")).expect("pid");
    kill_session(supervisor.trim());
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
