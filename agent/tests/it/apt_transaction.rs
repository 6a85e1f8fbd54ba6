//! Transactions that go as planned, with the real apt.

use crate::host::Host;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::Change;
use std::fs;

#[tokio::test]
async fn a_good_update_is_installed_from_staged_files() {
    let host = Host::with(&["np-good", "np-conffile"]).await;
    host.inside("apt-mark", &["auto", "np-good"]);
    fs::write(host.root().join("etc/np-conffile.conf"), "setting=mine\n")
        .expect("the host's own setting");
    let (plan, content) = host.made_ready(&["np-good", "np-conffile"]).await;
    let (relay_bytes, origin_bytes) = host.origin.bytes();
    assert!(relay_bytes > 0 && origin_bytes == 0);
    let folder = host.run_folder();
    let process = host
        .apt
        .start_install(&plan, &folder)
        .await
        .expect("starts");
    assert!(process.pid > 0);
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(0));
    let verification = host
        .apt
        .verify(&plan, &content, &folder)
        .await
        .expect("verified");
    assert_eq!(verification.failure, None);
    assert!(
        verification.audit_clean && verification.in_use.is_empty(),
        "{verification:?}"
    );
    assert_eq!(host.version("np-good"), "2.0-1 installed");
    let kept = fs::read_to_string(host.root().join("etc/np-conffile.conf")).expect("the conffile");
    assert_eq!(kept, "setting=mine\n");
    let automatic = host.inside("apt-mark", &["showauto", "np-good"]);
    assert_eq!(
        String::from_utf8_lossy(&automatic.stdout).trim(),
        "np-good",
        "marks stay as they were"
    );
}

#[tokio::test]
async fn a_rollback_takes_new_packages_away_again() {
    let host = Host::with(&["np-new-dependency"]).await;
    let before = host.status();
    let (plan, _) = host.made_ready(&["np-new-dependency"]).await;
    let changes: Vec<_> = plan
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.change))
        .collect();
    assert_eq!(
        changes,
        [
            ("np-dependency", Change::Install),
            ("np-new-dependency", Change::Upgrade)
        ]
    );
    host.apt
        .start_install(&plan, &host.run_folder())
        .await
        .expect("starts");
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(0));
    assert_eq!(host.version("np-dependency"), "1.0-1 installed");
    host.rolls_back_to(&before).await;
}
