//! The apk provider with the real apk: transactions, failures on purpose, interruptions, the way back, and whole runs.

use crate::apk::has;
use crate::apk_host::{ApkHost, wanted};
use crate::host::{PATIENCE, until};
use crate::order::{Agent, order};
use crate::root::kill_session;
use crate::rpm_host::{content, ended};
use netpatch_agent::provider::{Installer as _, PlanError, Step};
use netpatch_agent::run::Runs;
use netpatch_agent::run::engine::Advance;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::Run;
use netpatch_agent_core::plan::Plan;
use netpatch_agent_core::{FailureCause, Refusal, RunState};
use netpatch_types::Clock as _;
use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;

#[tokio::test]
async fn a_good_update_is_installed_from_staged_files_and_undone() {
    let packages = ["np-good", "np-new-dependency", "np-shed", "np-shedding"];
    let updated = ["np-good", "np-new-dependency", "np-shedding"];
    let host = ApkHost::with(&packages).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&updated).await;
    let (relay_bytes, origin_bytes) = host.origin.bytes();
    assert!(relay_bytes > 0 && origin_bytes == 0);
    // The repository may vanish, and the agent's cache too: everything is here.
    *host.shelf.gone.lock().expect("lock") = Some("np".into());
    let work = host.machine.path().join("var/lib/netpatch-agent/apk");
    fs::remove_dir_all(work).expect("the agent's folder");
    let state = host.installed(&plan).await;
    assert_eq!(state, Transaction::Ended(0), "{}", host.log("install.log"));
    let folder = host.run_folder();
    let verification = host
        .apk
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(verification.failure, None);
    assert!(
        verification.audit_clean && verification.in_use.is_empty() && verification.notes.is_empty(),
        "{verification:?}"
    );
    let mut expected = [
        "np-dependency-1.0-r0",
        "np-good-2.0-r0",
        "np-new-dependency-2.0-r0",
        "np-shedding-2.0-r0",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.sort();
    // World is as a person wrote it.
    assert_eq!(host.packages(), (expected, before.1.clone()));
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_failing_script_is_noticed_and_undone() {
    let host = ApkHost::with(&["np-failing-script", "np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-failing-script", "np-good"]).await;
    // apk's code counts the script's error; what became of the packages the database tells.
    assert_eq!(host.installed(&plan).await, Transaction::Ended(0));
    assert!(host.log("install.log").contains("apk ended with 1"));
    assert!(host.has("np-failing-script-2.0-r0"));
    let found = host
        .apk
        .verify(&plan, &content, &host.run_folder())
        .await
        .expect("verified");
    let failure = found.failure.expect("a failure");
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "cannot migrate the database");
    has(&failure, "np-failing-script 2.0-r0 is installed but broken");
    assert!(!found.audit_clean);
    host.rolls_back_to(&before).await;
    assert!(!host.database().contains("\nf:"));
}

#[tokio::test]
async fn a_package_that_was_broken_before_spoils_nothing() {
    let host = ApkHost::with(&["np-failing-script", "np-good"]).await;
    // A person upgraded it by hand, and its script failed.
    let file = "/var/tmp/np-failing-script-2.0-r0.apk";
    let from = crate::apk_host::folder().join("x86_64/np-failing-script-2.0-r0.apk");
    fs::copy(from, host.machine.path().join(&file[1..])).expect("the package");
    let world = host.world();
    let output = host.machine.inside("apk", &["--no-network", "add", file]);
    assert!(!output.status.success(), "{output:?}");
    fs::write(host.machine.path().join("etc/apk/world"), world).expect("world");
    assert!(host.database().contains("\nf:s\n"));
    let before = host.packages();

    host.refresh().await;
    let updates = host.apk.installable().await.expect("updates");
    assert_eq!(updates.len(), 1, "{updates:?}");
    let (plan, content) = host.made_ready(&["np-good"]).await;
    assert_eq!(host.installed(&plan).await, Transaction::Ended(0));
    let folder = host.run_folder();
    let verification = host.apk.verify(&plan, &content, &folder).await;
    let verification = verification.expect("verified");
    assert_eq!(verification.failure, None);
    assert!(!verification.audit_clean, "somebody should look at it");
    assert!(host.has("np-good-2.0-r0"));
    host.apk.start_rollback(&folder, 1).await.expect("starts");
    let state = ended(&host.apk, &folder, Step::Rollback(1)).await;
    assert_eq!(state, Transaction::Ended(0));
    let differences = host.apk.compare(&folder).await.expect("compared");
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(host.packages(), before);
}

#[tokio::test]
async fn changed_configuration_stays_and_the_new_one_is_told() {
    let host = ApkHost::with(&["np-config"]).await;
    let before = host.packages();
    let etc = host.machine.path().join("etc");
    fs::write(etc.join("np-config.conf"), "setting=mine\n").expect("changed");
    let (plan, content) = host.made_ready(&["np-config"]).await;
    assert_eq!(host.installed(&plan).await, Transaction::Ended(0));
    let folder = host.run_folder();
    let verification = host.apk.verify(&plan, &content, &folder).await;
    let verification = verification.expect("verified");
    assert_eq!(verification.failure, None);
    assert_eq!(verification.notes.len(), 1, "{verification:?}");
    assert!(verification.notes[0].starts_with("/etc/np-config.conf.apk-new: "));
    let text = |name: &str| fs::read_to_string(etc.join(name)).expect("a file");
    assert_eq!(text("np-config.conf"), "setting=mine\n");
    assert_eq!(text("np-config.conf.apk-new"), "setting=2.0-r0\n");
    host.rolls_back_to(&before).await;
    assert_eq!(text("np-config.conf"), "setting=mine\n");
    assert!(!etc.join("np-config.conf.apk-new").exists());
}

#[tokio::test]
async fn a_damaged_payload_is_never_staged() {
    let host = ApkHost::with(&["np-good"]).await;
    let plan = host.apk.plan(&wanted(&["np-good"])).await.expect("a plan");
    let folder = host.run_folder();
    // The disk lost a byte of what was fetched ahead, and the relay has it damaged too.
    let cache = host
        .machine
        .path()
        .join("var/lib/netpatch-agent/apk/cache")
        .join(&plan.items[0].file_name);
    let mut bytes = fs::read(&cache).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&cache, bytes).expect("damage");
    *host.shelf.damaged.lock().expect("lock") = Some("np-good-2.0".into());
    let proxy = host.origin.url();
    match host.apk.stage(&plan, &folder, Some(&proxy)).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.apk
        .stage(&plan, &folder, Some(&proxy))
        .await
        .expect("the next try succeeds");
    // What was staged is looked at again, too.
    let staged = folder.join("staged").join(&plan.items[0].file_name);
    fs::write(&staged, "other").expect("damage");
    host.apk
        .stage(&plan, &folder, Some(&proxy))
        .await
        .expect("is staged anew");
    assert!(fs::read(&staged).expect("the file").len() > 100);
}

#[tokio::test]
async fn a_file_that_was_changed_after_staging_is_not_installed() {
    let host = ApkHost::with(&["np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-good"]).await;
    let folder = host.run_folder();
    // As large as before: apk itself looks at every byte again.
    let staged = folder.join("staged").join(&plan.items[0].file_name);
    let mut bytes = fs::read(&staged).expect("the file");
    let late = bytes.len() - 30;
    bytes[late] ^= 1;
    fs::write(&staged, bytes).expect("exchanged");
    host.installed(&plan).await;
    let found = host.apk.verify(&plan, &content, &folder).await;
    let failure = found.expect("verified").failure.expect("a failure");
    assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}");
    has(&failure, "np-good is 1.0-r0");
    assert_eq!(host.packages(), before);
}

#[tokio::test]
async fn a_plan_that_no_longer_holds_is_refused_when_it_is_staged() {
    let host = ApkHost::with(&["np-good", "np-new-dependency"]).await;
    let names = ["np-good", "np-new-dependency"];
    let plan = host.apk.plan(&wanted(&names)).await.expect("a plan");
    let mut items = plan.items.clone();
    items.retain(|item| item.name != "np-dependency");
    let folder = host.run_folder();
    let proxy = host.origin.url();
    match host
        .apk
        .stage(&Plan::new(items), &folder, Some(&proxy))
        .await
    {
        Err(PlanError::Failed(failure)) => {
            // Without the file apk does not even know the dependency.
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
            has(&failure, "np-dependency");
        }
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::PlanDiffers),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_the_installed_file_there_is_no_way_back_and_the_agents_own_is_one() {
    let host = ApkHost::with(&["np-good"]).await;
    let cache = host.machine.path().join("var/cache/apk");
    let kept: Vec<_> = fs::read_dir(&cache).expect("the cache").flatten().collect();
    let own = host.machine.path().join("var/lib/netpatch-agent/apk/cache");
    for file in &kept {
        fs::rename(file.path(), own.join(file.file_name())).expect("moved");
    }
    let plan = host.apk.plan(&wanted(&["np-good"])).await.expect("a plan");
    let (folder, proxy) = (host.run_folder(), host.origin.url());
    // The agent's own cache keeps what it installed, also over a refresh.
    host.refresh().await;
    let staged = host.apk.stage(&plan, &folder, Some(&proxy)).await;
    assert!(staged.expect("staged").without_way_back.is_empty());
    // A file that is not whole is no way back.
    let name = kept[0].file_name();
    fs::remove_file(folder.join("kept").join(&name)).expect("kept");
    let bytes = fs::read(own.join(&name)).expect("the file");
    fs::write(own.join(&name), &bytes[..bytes.len() - 40]).expect("cut");
    let staged = host.apk.stage(&plan, &folder, Some(&proxy)).await;
    assert_eq!(staged.expect("staged").without_way_back, ["np-good 1.0-r0"]);
}

#[tokio::test]
async fn a_lock_that_another_holds_is_told() {
    let host = ApkHost::with(&["np-held-up", "np-good"]).await;
    let wait = host.machine.path().join("run/np-held-up.wait");
    fs::write(&wait, "").expect("the file");
    let (plan, _) = host.made_ready(&["np-good"]).await;
    // A person works with apk.
    let file = crate::apk_host::folder().join("x86_64/np-held-up-2.0-r0.apk");
    fs::copy(file, host.machine.path().join("var/tmp/np-held-up.apk")).expect("the package");
    let mut person = Command::new("chroot")
        .arg(host.machine.path())
        .args(["apk", "--no-network", "add", "/var/tmp/np-held-up.apk"])
        .spawn()
        .expect("chroot");
    let lock = host.machine.path().join("lib/apk/db/lock");
    until(|| async {
        let file = File::open(&lock).ok()?;
        file.try_lock_shared().is_err().then_some(())
    })
    .await;
    let folder = host.run_folder();
    let failure = host.apk.snapshot(&plan, &folder).await.expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    let before = host.packages().0;
    assert_eq!(host.installed(&plan).await, Transaction::Ended(99));
    let failure = host.apk.diagnose(&folder, Step::Install, 99).await;
    assert_eq!(
        failure.cause,
        FailureCause::PackageManagerLocked,
        "{failure:?}"
    );
    assert_eq!(host.packages().0, before);
    fs::remove_file(&wait).expect("lets the script end");
    assert!(person.wait().expect("ends").success());
    host.apk.mend(&folder).await.expect("nobody works");
    host.apk.snapshot(&plan, &folder).await.expect("free");
}

#[tokio::test]
async fn an_apk_that_was_killed_is_rolled_back_file_by_file() {
    let packages = ["np-held-up", "np-good", "np-new-dependency", "np-config"];
    let host = ApkHost::with(&packages).await;
    let before = host.packages();
    let wait = host.machine.path().join("run/np-held-up.wait");
    fs::write(&wait, "").expect("the file");
    let (plan, content) = host.made_ready(&packages).await;
    let folder = host.run_folder();
    host.apk
        .start_install(&plan, &folder)
        .await
        .expect("starts");
    until(|| async {
        let log = host.log("install.log");
        log.contains("np-held-up: waiting").then_some(())
    })
    .await;
    let state = host.apk.transaction(&folder, Step::Install).await;
    assert_eq!(state.expect("state"), Transaction::Running);
    let failure = host.apk.snapshot(&plan, &folder).await.expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    kill_session(
        fs::read_to_string(folder.join("install.pid"))
            .expect("pid")
            .trim(),
    );
    fs::remove_file(&wait).expect("lets the script end");
    assert_eq!(
        ended(&host.apk, &folder, Step::Install).await,
        Transaction::Lost
    );
    // Files are new, and the database is old.
    let share = host.machine.path().join("usr/share/np");
    assert_eq!(
        fs::read_to_string(share.join("np-held-up")).expect("it"),
        "2.0-r0\n"
    );
    assert_eq!(host.packages(), before);
    host.apk.mend(&folder).await.expect("mended");
    let found = host.apk.verify(&plan, &content, &folder).await;
    let failure = found.expect("verified").failure.expect("a failure");
    has(&failure, "apk was cut off");
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_way_back_that_was_killed_is_gone_again_from_its_beginning() {
    let packages = ["np-held-up", "np-good", "np-new-dependency"];
    let host = ApkHost::with(&packages).await;
    let before = host.packages();
    let (plan, _) = host.made_ready(&packages).await;
    assert_eq!(host.installed(&plan).await, Transaction::Ended(0));
    let wait = host.machine.path().join("run/np-held-up.wait");
    fs::write(&wait, "").expect("the file");
    let folder = host.run_folder();
    host.apk.start_rollback(&folder, 1).await.expect("starts");
    until(|| async {
        let log = host.log("rollback-1.log");
        log.contains("np-held-up: waiting").then_some(())
    })
    .await;
    let pid = fs::read_to_string(folder.join("rollback-1.pid")).expect("pid");
    kill_session(pid.trim());
    fs::remove_file(&wait).expect("lets the script end");
    let state = ended(&host.apk, &folder, Step::Rollback(1)).await;
    assert_eq!(state, Transaction::Lost);
    let differences = host.apk.compare(&folder).await.expect("compared");
    assert!(!differences.is_empty());
    host.rolls_back_at(2, &before).await;
}

/// Runs an order with this content.
async fn run(host: &ApkHost, plan: &Plan) -> Run {
    let agent = Agent::start(&host.machine.path().join("var/lib/netpatch-agent"));
    let now = agent.clock.now().timestamp_millis();
    agent.accept(&order(&content(plan), 1, now));
    let engine = agent.engine(Arc::new(host.apk.clone()), host.shelf.clone());
    let mut journal = Runs::new(&agent.state).all(0).pop().expect("a run");
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match engine.advance(&mut journal).await.expect("advances") {
            Advance::Moved => {}
            Advance::Finished => return journal.run().clone(),
            // apk works; it is asked again until the deadline.
            Advance::Wait { reason, .. } => {
                assert!(std::time::Instant::now() < deadline, "{reason}");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test]
async fn an_order_is_carried_out_and_one_that_fails_is_undone() {
    let host = ApkHost::with(&["np-failing-script", "np-good"]).await;
    let before = host.packages();
    let names = ["np-failing-script", "np-good"];
    let plan = host.apk.plan(&wanted(&names)).await.expect("a plan");
    let failed = run(&host, &plan).await;
    assert_eq!(failed.state, RunState::RolledBack, "{:?}", failed.steps);
    assert_eq!(failed.cause, Some(FailureCause::MaintainerScriptFailed));
    assert_eq!(host.packages(), before);

    let host = ApkHost::with(&["np-config", "np-new-dependency"]).await;
    let conf = host.machine.path().join("etc/np-config.conf");
    fs::write(conf, "setting=mine\n").expect("changed");
    let names = ["np-config", "np-new-dependency"];
    let plan = host.apk.plan(&wanted(&names)).await.expect("a plan");
    let done = run(&host, &plan).await;
    assert_eq!(done.state, RunState::Succeeded, "{:?}", done.steps);
    assert!(host.has("np-config-2.0-r0") && host.has("np-dependency-1.0-r0"));
    let told = done.steps.iter().flat_map(|step| &step.evidence);
    assert!(
        told.into_iter().any(|line| line.contains(".apk-new")),
        "{:?}",
        done.steps
    );
}
