//! What the zypper provider reports: inventory, installable updates, plans, refusals.

use crate::rpm_host::{RpmHost, URL, use_repository, wanted, write};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::zypper::Zypper;
use netpatch_agent::provider::{Installable, Installer as _, PlanError, Providers, UpdateState};
use netpatch_agent_core::plan::{Change, Wanted};
use netpatch_agent_core::{FailureCause, Refusal};
use std::fs;
use std::path::Path;

/// Everything of the test repository that a host can have in an old version.
const OLD: [&str; 14] = [
    "np-good",
    "np-held",
    "np-secure",
    "np-new-dependency",
    "np-unmet",
    "np-kernel",
    "np-suite",
    "np-suite-libs",
    "np-replaced",
    "np-replacing",
    "np-vendor",
    "np-retracted",
    "np-config",
    "np-corrupt",
];

fn find<'a>(updates: &'a [Installable], name: &str) -> &'a Installable {
    updates
        .iter()
        .find(|update| update.name == name)
        .unwrap_or_else(|| panic!("{name} is not offered"))
}

/// A person locks a package, as `zypper addlock` writes it.
fn lock(host: &RpmHost<Zypper>, package: &str) {
    let text = format!(
        "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {package}\n"
    );
    write(&host.machine.path().join("etc/zypp/locks"), &text);
}

/// Every file of the host's own configuration with its content.
fn configuration(host: &RpmHost<Zypper>) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![host.machine.path().join("etc/zypp")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("a file");
                files.push((path.display().to_string(), bytes));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn on_suse_zypper_answers_for_the_database() {
    let host = RpmHost::with_zypper(&["np-good", "np-secure"]).await;
    let components = host.components().await;
    let secure = components.iter().find(|one| one.name == "np-secure");
    let secure = secure.expect("there");
    assert_eq!(
        (
            secure.distribution.as_str(),
            secure.release.as_str(),
            secure.version.as_str()
        ),
        ("opensuse-leap", "15.6", "1:1.0-1")
    );
    assert_eq!(components.len(), host.packages().len() - 1, "but the key");
    let work = host.machine.path().join("var/lib/netpatch-agent");
    let providers = Providers::of_host(&host.machine.runner(), &work).await;
    // dnf is there too, and keeps silent.
    assert_eq!(providers.installer().name(), "zypper");
    let names: Vec<_> = providers.ask().await.iter().map(|one| one.name).collect();
    assert!(!names.contains(&"dnf"), "{names:?}");
    assert_eq!(host.installer.arch().await.expect("arch"), "x86_64");
}

#[tokio::test]
async fn an_update_comes_with_hash_size_errata_and_what_it_brings() {
    let host = RpmHost::with_zypper(&OLD).await;
    lock(&host, "np-held");
    let before = configuration(&host);
    let updates = host.installer.installable().await.expect("updates");
    assert_eq!(configuration(&host), before);
    let good = find(&updates, "np-good");
    let file = fs::read(crate::rpm_host::folder().join("np-good-2.0-1.noarch.rpm")).expect("file");
    assert_eq!(good.sha256, netpatch_types::Sha256::of(&file));
    assert_eq!(good.size_bytes, file.len() as u64);
    assert_eq!(
        (
            good.installed_version.as_str(),
            good.candidate_version.as_str(),
            good.arch.as_str(),
            good.origin.as_str(),
            good.label.as_str(),
            good.section.as_str(),
        ),
        ("1.0-1", "2.0-1", "noarch", "np", "NetPatch test", "Tests")
    );
    assert_eq!(
        (good.errata.as_slice(), good.security, good.state),
        (
            ["NPBA-2026:0002".to_owned()].as_slice(),
            false,
            UpdateState::Installable
        )
    );
    assert!(good.requires.is_empty());
    let sources = host.installer.sources().await;
    let lies = sources.iter().find(|source| source.sha256 == good.sha256);
    let url = lies.map(|source| source.url.as_str());
    assert_eq!(url, Some(&*format!("{URL}/np-good-2.0-1.noarch.rpm")));
    let secure = find(&updates, "np-secure");
    assert_eq!(secure.candidate_version, "1:2.0-1");
    assert_eq!(
        (secure.errata.as_slice(), secure.security),
        (["NPSA-2026:0001".to_owned()].as_slice(), true)
    );
    for (name, state) in [
        ("np-held", UpdateState::Held),
        ("np-unmet", UpdateState::KeptBack),
        ("np-vendor", UpdateState::KeptBack),
        ("np-retracted", UpdateState::KeptBack),
        ("np-kernel", UpdateState::Installable),
        ("np-suite", UpdateState::Installable),
        ("np-suite-libs", UpdateState::Installable),
    ] {
        assert_eq!(find(&updates, name).state, state, "{name}");
    }
    assert!(find(&updates, "np-retracted").errata.is_empty());
    let suite = find(&updates, "np-suite-libs");
    assert_eq!(
        (suite.source.as_str(), suite.source_version.as_str()),
        ("np-suite", "2.0-1")
    );
    assert!(suite.requires.is_empty(), "both belong to one patch");
    let brings = &find(&updates, "np-new-dependency").requires;
    assert_eq!(brings.len(), 1, "{brings:?}");
    assert_eq!(
        (brings[0].name.as_str(), brings[0].change),
        ("np-dependency", Change::Install)
    );
    assert!(brings[0].sha256.is_some());
    let replaces = &find(&updates, "np-replacing").requires;
    assert_eq!(replaces.len(), 1, "{replaces:?}");
    assert_eq!(
        (replaces[0].name.as_str(), replaces[0].change),
        ("np-replaced", Change::Remove)
    );
    let (plan, _) = host.plan(&["np-good"]).await;
    assert_eq!(plan.items.len(), 1);
    assert_eq!(plan.items[0].sha256, Some(good.sha256));
    assert_eq!(plan.items[0].size_bytes, good.size_bytes);
}

#[tokio::test]
async fn what_cannot_be_planned_has_a_reason() {
    let host = RpmHost::with_zypper(&OLD).await;
    lock(&host, "np-held");
    let exactly = |name: &str, version: &str| Wanted {
        name: name.into(),
        arch: "noarch".into(),
        version: version.into(),
    };
    for (name, version, expected, word) in [
        ("np-held", "2.0-1", Refusal::Hold, "lock"),
        ("np-vendor", "2.0-1", Refusal::Hold, "another vendor"),
        ("np-good", "1.5-1", Refusal::Superseded, "np-good"),
        ("np-retracted", "2.0-1", Refusal::Superseded, "took"),
    ] {
        match host.installer.plan(&[exactly(name, version)]).await {
            Err(PlanError::Refused(refused)) => {
                assert_eq!(refused.refusal, expected, "{refused}");
                assert!(refused.detail.contains(word), "{refused}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    match host.installer.plan(&wanted(&["np-unmet", "np-good"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
            let named = |line: &String| line.contains("np-does-not-exist");
            assert!(failure.evidence.iter().any(named), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
    use_repository(&host.machine, URL, "gpgcheck=0\nrepo_gpgcheck=0");
    match host.installer.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn https_repositories_are_fetched_through_the_loopback_and_stay_as_they_are() {
    let host = RpmHost::with_zypper(&[]).await;
    let https = URL.replace("http://", "https://");
    use_repository(&host.machine, &format!("{https}?credentials=SCC"), "");
    let before = configuration(&host);
    let repositories = host.installer.repositories().await.expect("repositories");
    assert_eq!(repositories, std::slice::from_ref(&https));
    let origin = PayloadOrigin::open(host.shelf.clone(), repositories)
        .await
        .expect("a port");
    host.shelf.asked.lock().expect("lock").clear();
    host.installer
        .refresh(Some(&origin.url()))
        .await
        .expect("refreshed");
    let asked = host.shelf.asked.lock().expect("lock").clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|asked| *asked == https),
        "{asked:?}"
    );
    assert_eq!(configuration(&host), before);
}

#[tokio::test]
async fn a_damaged_or_unsigned_index_is_refused_and_the_last_good_one_kept() {
    let host = RpmHost::with_zypper(&["np-good"]).await;
    let proxy = host.origin.url();
    for damaged in [true, false] {
        let place = if damaged {
            &host.shelf.damaged
        } else {
            &host.shelf.gone
        };
        *place.lock().expect("lock") = Some("repomd.xml.asc".into());
        let work = host.machine.path().join("var/lib/netpatch-agent/zypper");
        let kept = index_of(&work);
        // A new index is only fetched when the old one differs.
        let directory = kept.join("repodata/repomd.xml");
        let whole = fs::read(&directory).expect("an index");
        fs::write(&directory, "<repomd/>").expect("an older index");
        let failure = host.installer.refresh(Some(&proxy)).await.expect_err("bad");
        assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
        fs::write(&directory, whole).expect("the index");
        *place.lock().expect("lock") = None;
    }
    let updates = host.installer.installable().await.expect("updates");
    assert_eq!(find(&updates, "np-good").state, UpdateState::Installable);
}

fn index_of(work: &Path) -> std::path::PathBuf {
    work.join("cache/raw/np")
}

#[tokio::test]
async fn a_torn_index_is_an_error_and_not_an_empty_list() {
    let host = RpmHost::with_zypper(&["np-good"]).await;
    let index = index_of(&host.machine.path().join("var/lib/netpatch-agent/zypper"));
    let entries = fs::read_dir(index.join("repodata")).expect("an index");
    let primary = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().contains("primary.xml"))
        .expect("primary");
    let whole = fs::read(&primary).expect("primary");
    fs::write(&primary, &whole[..whole.len() / 2]).expect("a torn index");
    let failure = host.installer.installable().await.expect_err("torn");
    let named = |line: &String| line.contains("primary.xml");
    assert!(failure.evidence.iter().any(named), "{failure:?}");
}

#[tokio::test]
async fn what_was_never_fetched_offers_nothing_and_is_not_fetched_past_the_proxy() {
    let host = RpmHost::with_zypper(&["np-good"]).await;
    let work = host.machine.path().join("var/lib/netpatch-agent/zypper");
    fs::remove_dir_all(work.join("cache")).expect("caches");
    // Were it asked, this address would answer.
    let open = format!(
        "{URL}?proxy=127.0.0.1&proxyport={}",
        host.origin.url().rsplit(':').next().expect("a port")
    );
    use_repository(&host.machine, &open, "");
    host.shelf.asked.lock().expect("lock").clear();
    assert_eq!(host.installer.installable().await.expect("an answer"), []);
    match host.installer.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Superseded),
        other => panic!("{other:?}"),
    }
    assert!(host.shelf.asked.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn an_address_that_nobody_serves_is_a_network_failure() {
    let host = RpmHost::with_zypper(&["np-good"]).await;
    let closed = "http://127.0.0.1:1";
    let failure = host
        .installer
        .refresh(Some(closed))
        .await
        .expect_err("nobody answers");
    assert_eq!(
        failure.cause,
        FailureCause::NetworkUnreachable,
        "{failure:?}"
    );
}
