//! Every state that a package of a real host can be in, as apt sees it, and what becomes of it in the report.

use crate::host::Host;
use netpatch_agent::command::Runner;
use netpatch_agent::provider::apt::Apt;
use netpatch_agent::provider::{Installable, Installer as _, Provider as _, UpdateState};
use std::fs;

/// apt ignores phases in a chroot and without a machine id: here it is process 1 of its own, as on a machine. This id's
/// turn comes late.
fn as_machine(host: &Host) -> Apt {
    let root = host.root();
    let id = "0123456789abcdef0123456789abcdef\n";
    fs::write(root.join("etc/machine-id"), id).expect("an id");
    let prefix = [
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--mount-proc",
        "--root",
        &root.to_string_lossy(),
    ];
    let runner = Runner::in_root(root.clone(), prefix.map(str::to_owned).to_vec());
    Apt::new(runner, root.join("var/lib/netpatch-agent"))
}

/// Makes a package on the host and installs it from its file: no source has ever heard of this version.
fn install_local(host: &Host, name: &str, version: &str) {
    let folder = host.root().join("var/tmp").join(name);
    fs::create_dir_all(folder.join("DEBIAN")).expect("a folder");
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A Person <a@example.invalid>\n\
         Description: made here\n"
    );
    fs::write(folder.join("DEBIAN/control"), control).expect("control");
    let (from, to) = (format!("/var/tmp/{name}"), format!("/var/tmp/{name}.deb"));
    for arguments in [["--build", &from, &to].as_slice(), &["--install", &to]] {
        let output = host.inside("dpkg", arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// What is offered of a package, architectures sorted.
fn offered<'a>(updates: &'a [Installable], name: &str) -> Vec<&'a Installable> {
    let mut found: Vec<_> = updates.iter().filter(|one| one.name == name).collect();
    found.sort_by_key(|one| &one.arch);
    found
}

fn state(updates: &[Installable], name: &str) -> Vec<UpdateState> {
    let states = offered(updates, name).into_iter().map(|one| one.state);
    states.collect()
}

#[tokio::test]
async fn every_state_is_reported_as_apt_has_it() {
    let host = Host::with(&[
        "np-good",
        "np-conffile",
        "np-unmet",
        "np-failing-preinst",
        "np-failing-postinst",
        "np-phased",
    ])
    .await;
    host.inside("apt-mark", &["hold", "np-conffile"]);
    // One preference forbids the new version, one insists on the installed one.
    fs::write(
        host.root().join("etc/apt/preferences.d/pins"),
        "Package: np-failing-preinst\nPin: version 2.*\nPin-Priority: -1\n\n\
         Package: np-failing-postinst\nPin: version 1.0-1\nPin-Priority: 1001\n",
    )
    .expect("pins");
    install_local(&host, "np-obsolete", "1.0-1");
    install_local(&host, "np-big", "3.0-1");
    install_local(&host, "np-held-up", "0.9-1");

    let apt = as_machine(&host);
    let updates = apt.installable().await.expect("updates");
    assert_eq!(state(&updates, "np-good"), [UpdateState::Installable]);
    assert_eq!(state(&updates, "np-conffile"), [UpdateState::Held]);
    assert_eq!(state(&updates, "np-unmet"), [UpdateState::KeptBack]);
    let phased = offered(&updates, "np-phased");
    assert_eq!(
        (phased.len(), phased[0].state, phased[0].phased_percent),
        (1, UpdateState::Phased, 1)
    );
    for pinned in ["np-failing-preinst", "np-failing-postinst"] {
        assert_eq!(
            state(&updates, pinned),
            [],
            "{pinned}: a pin hides the candidate"
        );
    }
    assert_eq!(state(&updates, "np-obsolete"), [], "nobody offers it");
    assert_eq!(state(&updates, "np-big"), [], "what is installed is newer");
    let older = offered(&updates, "np-held-up");
    assert_eq!(
        (older[0].installed_version.as_str(), older[0].state),
        ("0.9-1", UpdateState::Installable),
        "a local package that a source has newer"
    );

    // All of them are installed, whatever is offered.
    let inventory = apt.inventory().await.expect("inventory");
    for name in ["np-obsolete", "np-big", "np-failing-preinst", "np-phased"] {
        assert!(
            inventory.components.iter().any(|one| one.name == name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn each_architecture_of_a_package_is_reported_by_itself() {
    let host = Host::with(&["np-both"]).await;
    let native = host.inside("dpkg", &["--print-architecture"]).stdout;
    let native = String::from_utf8_lossy(&native).trim().to_owned();
    let foreign = if native == "i386" { "amd64" } else { "i386" };
    host.inside("dpkg", &["--add-architecture", foreign]);
    let proxy = host.origin.url();
    host.apt.refresh(Some(&proxy)).await.expect("indices");
    let both = format!("np-both:{foreign}");
    let phased = format!("np-phased:{foreign}");
    host.install(&["np-both", &both, "np-phased", &phased])
        .await;

    let apt = as_machine(&host);
    let inventory = apt.inventory().await.expect("inventory");
    let mut archs: Vec<_> = inventory
        .components
        .iter()
        .filter(|one| one.name == "np-both")
        .map(|one| one.arch.as_str())
        .collect();
    archs.sort_unstable();
    let mut expected = [native.as_str(), foreign];
    expected.sort_unstable();
    assert_eq!(archs, expected);

    let updates = apt.installable().await.expect("updates");
    let found = offered(&updates, "np-both");
    let archs: Vec<_> = found.iter().map(|one| one.arch.as_str()).collect();
    assert_eq!(archs, expected);
    assert!(
        found
            .iter()
            .all(|one| one.state == UpdateState::Installable)
    );
    assert_ne!(found[0].sha256, found[1].sha256, "each its own payload");
    assert_eq!(
        state(&updates, "np-phased"),
        [UpdateState::Phased, UpdateState::Phased]
    );
}
