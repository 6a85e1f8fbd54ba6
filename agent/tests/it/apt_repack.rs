//! The way back when nobody offers the installed version any more: packages made again from their files.

use crate::host::Host;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use std::fs;

/// A host whose installed versions have left every archive and cache.
async fn host_without_archive() -> Host {
    let host = Host::with(&["np-good", "np-conffile", "np-failing-postinst"]).await;
    host.inside("apt-get", &["clean"]);
    *host.shelf.gone.lock().expect("lock") = Some("_1.0-1_".into());
    host
}

#[tokio::test]
async fn a_failed_update_goes_back_to_repacked_packages() {
    let host = host_without_archive().await;
    let before = host.status();
    let packages = ["np-good", "np-conffile", "np-failing-postinst"];
    // Fails if any of the three has no way back.
    let (plan, _) = host.made_ready(&packages).await;
    let folder = host.run_folder();
    for package in packages {
        assert!(
            folder
                .join(format!("kept/{package}_1.0-1_all.deb"))
                .exists()
        );
    }
    host.apt
        .start_install(&plan, &folder)
        .await
        .expect("starts");
    assert_eq!(host.ended(Step::Install).await, Transaction::Ended(100));
    host.rolls_back_to(&before).await;
    for package in packages {
        assert_eq!(host.version(package), "1.0-1 installed");
    }
}

#[tokio::test]
async fn a_package_with_a_changed_conffile_has_no_way_back() {
    let host = host_without_archive().await;
    fs::write(host.root().join("etc/np-conffile.conf"), "setting=mine\n").expect("a change");
    let (plan, _) = host.plan(&["np-good", "np-conffile"]).await;
    let folder = host.run_folder();
    let proxy = host.origin.url();
    let staged = host.apt.stage(&plan, &folder, Some(&proxy)).await;
    // Repacked, the changed file would become the vendor's, and the next update would overwrite it.
    assert_eq!(
        staged.expect("staged").without_way_back,
        ["np-conffile:all 1.0-1"]
    );
    assert!(folder.join("kept/np-good_1.0-1_all.deb").exists());
}
