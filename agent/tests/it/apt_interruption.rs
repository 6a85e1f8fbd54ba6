//! Interruptions in the middle of a transaction: the agent dies and apt goes on; apt dies.

use crate::host::{Host, until};
use crate::root::kill_session;
use netpatch_agent::command::Runner;
use netpatch_agent::provider::apt::Apt;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{ContentItem, Plan};
use std::fs;

/// A host whose update waits in its postinst until the file is removed.
async fn held_up() -> (Host, Plan, Vec<ContentItem>) {
    let host = Host::with(&["np-held-up"]).await;
    fs::write(wait_file(&host), "").expect("the file");
    let (plan, content) = host.made_ready(&["np-held-up"]).await;
    host.apt
        .start_install(&plan, &host.run_folder())
        .await
        .expect("starts");
    let log = host.run_folder().join("install.log");
    until(|| async {
        fs::read_to_string(&log)
            .ok()?
            .contains("Setting up np-held-up")
            .then_some(())
    })
    .await;
    (host, plan, content)
}

fn wait_file(host: &Host) -> std::path::PathBuf {
    host.root().join("run/np-held-up.wait")
}

#[tokio::test]
async fn apt_survives_the_agent_and_is_found_again() {
    let (host, plan, content) = held_up().await;
    let folder = host.run_folder();
    // Another agent process knows nothing but the folder.
    let root = host.root();
    let runner = Runner::in_root(
        root.clone(),
        vec!["chroot".into(), root.to_string_lossy().into_owned()],
    );
    let next = Apt::new(runner, root.join("var/lib/netpatch-agent"));
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
    fs::remove_file(wait_file(&host)).expect("lets it go on");
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
async fn a_killed_apt_is_mended_and_verified() {
    let (host, plan, content) = held_up().await;
    let folder = host.run_folder();
    kill_session(
        fs::read_to_string(folder.join("install.pid"))
            .expect("pid")
            .trim(),
    );
    assert_eq!(host.ended(Step::Install).await, Transaction::Lost);
    assert!(
        !host.inside("dpkg", &["--audit"]).stdout.is_empty(),
        "the interruption left something half done"
    );
    let found = host
        .apt
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert!(found.failure.is_some() && !found.audit_clean);
    fs::remove_file(wait_file(&host)).expect("lets the script end");
    host.apt.mend(&folder).await.expect("mended");
    let mended = host
        .apt
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(mended.failure, None);
    assert_eq!(host.version("np-held-up"), "2.0-1 installed");
}

#[tokio::test]
async fn a_killed_apt_can_be_rolled_back_too() {
    let (host, ..) = held_up().await;
    let folder = host.run_folder();
    let before = fs::read_to_string(folder.join("before.status")).expect("the state before");
    kill_session(
        fs::read_to_string(folder.join("install.pid"))
            .expect("pid")
            .trim(),
    );
    assert_eq!(host.ended(Step::Install).await, Transaction::Lost);
    fs::remove_file(wait_file(&host)).expect("lets the script end");
    host.rolls_back_to(&before).await;
}
