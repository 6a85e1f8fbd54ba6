//! The pacman provider with the real pacman: reports, transactions, failures on purpose, interruptions, and the way back.

use crate::host::until;
use crate::pacman_host::{PacmanHost, URL, configure, folder, wanted};
use crate::root::kill_session;
use crate::rpm_host::ended;
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::{
    Installable, Installer as _, PlanError, Provider as _, Providers, Step, UpdateState,
};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{Change, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal};
use netpatch_types::{Ecosystem, Sha256};
use std::fs;

fn find<'a>(updates: &'a [Installable], name: &str) -> &'a Installable {
    let found = updates.iter().find(|update| update.name == name);
    found.unwrap_or_else(|| panic!("{name} is not offered"))
}

fn has(failure: &Failure, text: &str) {
    assert!(
        failure.evidence.iter().any(|line| line.contains(text)),
        "{failure:?}"
    );
}

#[tokio::test]
async fn what_is_installed_and_what_could_be() {
    let packages = [
        "np-good",
        "np-held",
        "np-unmet",
        "np-new-dependency",
        "np-suite",
        "np-suite-libs",
    ];
    let host = PacmanHost::with(&packages).await;
    configure(
        &host.machine,
        URL,
        "Required DatabaseOptional",
        "IgnorePkg = np-held",
    );
    let inventory = host.pacman.inventory().await.expect("inventory");
    let found: Vec<String> = inventory
        .components
        .iter()
        .map(|one| format!("{} {}", one.name, one.version))
        .collect();
    assert_eq!(found, host.packages().0.lines().collect::<Vec<_>>());
    assert!(inventory.components.iter().all(|one| {
        (
            one.ecosystem,
            one.distribution.as_str(),
            one.release.as_str(),
            one.arch.as_str(),
        ) == (Ecosystem::Alpm, "arch", "rolling", "any")
    }));
    let providers = Providers::of_host(
        &host.machine.runner(),
        &host.machine.path().join("var/lib/netpatch-agent"),
    )
    .await;
    assert_eq!(providers.installer().name(), "pacman");

    let updates = host.pacman.installable().await.expect("updates");
    let good = find(&updates, "np-good");
    let file = fs::read(folder().join("np-good-2.0-1-any.pkg.tar.gz")).expect("the package");
    assert_eq!(
        (good.sha256, good.size_bytes),
        (Sha256::of(&file), file.len() as u64)
    );
    assert_eq!(
        (good.state, good.origin.as_str()),
        (UpdateState::Installable, "np")
    );
    assert_eq!(find(&updates, "np-held").state, UpdateState::Held);
    assert_eq!(find(&updates, "np-unmet").state, UpdateState::KeptBack);
    assert_eq!(find(&updates, "np-suite-libs").source, "np-suite");
    assert!(find(&updates, "np-suite").requires.is_empty());
    let brings = &find(&updates, "np-new-dependency").requires;
    assert_eq!(brings.len(), 1, "{brings:?}");
    assert_eq!(
        (brings[0].name.as_str(), brings[0].change),
        ("np-dependency", Change::Install)
    );
    let sources = host.pacman.sources().await;
    for (sha256, file) in [
        (Some(good.sha256), "np-good-2.0-1-any.pkg.tar.gz"),
        (brings[0].sha256, "np-dependency-1.0-1-any.pkg.tar.gz"),
    ] {
        let found = sources.iter().find(|source| Some(source.sha256) == sha256);
        let found = found.unwrap_or_else(|| panic!("{file} lies nowhere: {sources:?}"));
        assert_eq!(found.url, format!("{URL}/{file}"));
        let bytes = fs::read(folder().join(file)).expect("a package");
        assert_eq!(found.sha256, Sha256::of(&bytes));
    }
    // What lies on the host's own disk lies nowhere else.
    configure(
        &host.machine,
        "file:///srv/np",
        "Required DatabaseOptional",
        "",
    );
    assert_eq!(host.pacman.sources().await, []);
}

#[tokio::test]
async fn what_cannot_be_planned_has_a_reason() {
    let host = PacmanHost::with(&["np-good", "np-unmet"]).await;
    match host.pacman.plan(&wanted(&["np-unmet"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
            has(&failure, "np-does-not-exist");
        }
        other => panic!("{other:?}"),
    }
    let gone = Wanted {
        version: "1.5-1".into(),
        ..wanted(&["np-good"]).remove(0)
    };
    match host.pacman.plan(&[gone]).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Superseded),
        other => panic!("{other:?}"),
    }
    configure(
        &host.machine,
        URL,
        "Required DatabaseOptional",
        "IgnorePkg = np-good",
    );
    match host.pacman.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Hold),
        other => panic!("{other:?}"),
    }
    configure(&host.machine, URL, "Never", "");
    match host.pacman.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::SignatureInvalid)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_update_is_installed_from_staged_files_and_undone() {
    let host = PacmanHost::with(&["np-good", "np-new-dependency"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-good", "np-new-dependency"]).await;
    let (relay_bytes, origin_bytes) = host.origin.bytes();
    assert!(relay_bytes > 0 && origin_bytes == 0);
    // The repository may vanish: everything is here.
    *host.shelf.gone.lock().expect("lock") = Some("np".into());
    let state = host.installed(&plan).await;
    let folder = host.run_folder();
    let log = fs::read_to_string(folder.join("install.log")).unwrap_or_default();
    assert_eq!(state, Transaction::Ended(0), "{log}");
    let verification = host
        .pacman
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(verification.failure, None);
    assert!(
        verification.audit_clean && verification.in_use.is_empty(),
        "{verification:?}"
    );
    assert!(host.has("np-good 2.0-1") && host.has("np-dependency 1.0-1"));
    assert_eq!(
        host.packages().1,
        "np-dependency 1.0-1\n",
        "nobody asked for it by name"
    );
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_failing_script_is_noticed_although_pacman_is_content() {
    let host = PacmanHost::with(&["np-failing-script", "np-good"]).await;
    let before = host.packages();
    let (plan, content) = host.made_ready(&["np-failing-script", "np-good"]).await;
    assert_eq!(host.installed(&plan).await, Transaction::Ended(0));
    let found = host
        .pacman
        .verify(&plan, &content, &host.run_folder())
        .await
        .expect("verified");
    let failure = found.failure.expect("a failure");
    assert_eq!(failure.cause, FailureCause::MaintainerScriptFailed);
    has(&failure, "cannot migrate the database");
    host.rolls_back_to(&before).await;
}

#[tokio::test]
async fn a_damaged_payload_is_never_staged() {
    let host = PacmanHost::with(&["np-good"]).await;
    let plan = host
        .pacman
        .plan(&wanted(&["np-good"]))
        .await
        .expect("a plan");
    let folder = host.run_folder();
    *host.shelf.damaged.lock().expect("lock") = Some("np-good-2.0".into());
    match host
        .pacman
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
    {
        Err(PlanError::Failed(failure)) => assert!(
            matches!(
                failure.cause,
                FailureCause::PayloadCorrupt | FailureCause::SignatureInvalid
            ),
            "{failure:?}"
        ),
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.pacman
        .stage(&plan, &folder, Some(&host.origin.url()))
        .await
        .expect("the next try succeeds");
}

#[tokio::test]
async fn without_the_installed_file_there_is_no_way_back() {
    let host = PacmanHost::with(&["np-good"]).await;
    fs::remove_dir_all(host.machine.path().join("var/cache/pacman/pkg")).expect("the cache");
    let plan = host
        .pacman
        .plan(&wanted(&["np-good"]))
        .await
        .expect("a plan");
    let staged = host
        .pacman
        .stage(&plan, &host.run_folder(), Some(&host.origin.url()))
        .await;
    assert_eq!(staged.expect("staged").without_way_back, ["np-good 1.0-1"]);
}

#[tokio::test]
async fn https_repositories_are_fetched_through_the_loopback_and_stay_as_they_are() {
    let host = PacmanHost::with(&["np-good"]).await;
    let https = URL.replace("http://", "https://");
    configure(&host.machine, &https, "Required DatabaseOptional", "");
    let repositories = host.pacman.repositories().await.expect("repositories");
    assert_eq!(repositories, std::slice::from_ref(&https));
    let origin = PayloadOrigin::open(host.shelf.clone(), repositories)
        .await
        .expect("a port");
    host.shelf.asked.lock().expect("lock").clear();
    host.pacman
        .refresh(Some(&origin.url()))
        .await
        .expect("refreshed");
    let asked = host.shelf.asked.lock().expect("lock").clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|asked| *asked == https),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_damaged_database_is_no_empty_host() {
    let host = PacmanHost::with(&["np-good", "np-config"]).await;
    let local = host.machine.path().join("var/lib/pacman/local");
    fs::write(local.join("np-good-1.0-1/desc"), b"\xff\xfe%NAME").expect("damage");
    let inventory = host.pacman.inventory().await.expect("what can be read");
    assert_eq!(inventory.components.len(), 1);
    assert!(inventory.cut_short.is_some());
    fs::remove_dir_all(local.join("np-config-1.0-1")).expect("damage");
    host.pacman
        .inventory()
        .await
        .expect_err("nothing can be read");
}

#[tokio::test]
async fn a_killed_pacman_leaves_a_lock_that_is_cleared_and_is_rolled_back() {
    let host = PacmanHost::with(&["np-held-up", "np-good"]).await;
    let before = host.packages();
    let wait = host.machine.path().join("run/np-held-up.wait");
    fs::write(&wait, "").expect("the file");
    let (plan, content) = host.made_ready(&["np-held-up", "np-good"]).await;
    let folder = host.run_folder();
    host.pacman
        .start_install(&plan, &folder)
        .await
        .expect("starts");
    let log = folder.join("install.log");
    until(|| async {
        fs::read_to_string(&log)
            .ok()?
            .contains("np-held-up: waiting")
            .then_some(())
    })
    .await;
    assert_eq!(
        host.pacman
            .transaction(&folder, Step::Install)
            .await
            .expect("state"),
        Transaction::Running
    );
    let failure = host
        .pacman
        .snapshot(&plan, &folder)
        .await
        .expect_err("locked");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    kill_session(
        fs::read_to_string(folder.join("install.pid"))
            .expect("pid")
            .trim(),
    );
    fs::remove_file(&wait).expect("lets the script end");
    assert_eq!(
        ended(&host.pacman, &folder, Step::Install).await,
        Transaction::Lost
    );
    let failure = host
        .pacman
        .snapshot(&plan, &folder)
        .await
        .expect_err("a stale lock");
    assert_eq!(failure.cause, FailureCause::PackageManagerLocked);
    has(&failure, "nobody works");
    host.pacman.mend(&folder).await.expect("mended");
    assert!(!host.machine.path().join("var/lib/pacman/db.lck").exists());
    let verification = host
        .pacman
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert!(
        verification.failure.is_some(),
        "np-good was not reached or the script was cut off"
    );
    host.rolls_back_to(&before).await;
}
