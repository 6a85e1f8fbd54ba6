//! What the dnf provider reports: inventory, installable updates, plans.

use crate::rpm_host::{RpmHost, URL, use_repository, wanted, write};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::{
    Installable, Installer as _, PlanError, Provider as _, Providers, UpdateState,
};
use netpatch_agent_core::plan::{Change, Wanted};
use netpatch_agent_core::{FailureCause, Refusal};
use netpatch_types::Ecosystem;
use std::fs;

fn find<'a>(updates: &'a [Installable], name: &str) -> &'a Installable {
    updates
        .iter()
        .find(|update| update.name == name)
        .unwrap_or_else(|| panic!("{name} is not offered"))
}

#[tokio::test]
async fn the_inventory_is_what_rpm_says() {
    let host = RpmHost::with(&["np-good", "np-secure", "np-suite", "np-suite-libs"]).await;
    let components = host.components().await;
    let mut found: Vec<String> = components
        .iter()
        .map(|one| {
            let version = one
                .version
                .split_once(':')
                .map_or(&*one.version, |(_, rest)| rest);
            format!("{}-{version}.{}", one.name, one.arch)
        })
        .collect();
    found.sort();
    let mut expected = host.packages();
    expected.retain(|line| !line.starts_with("gpg-pubkey-"));
    assert_eq!(found, expected);
    assert!(components.iter().all(|one| {
        (
            one.ecosystem,
            one.distribution.as_str(),
            one.release.as_str(),
        ) == (Ecosystem::Rpm, "almalinux", "9")
    }));
    let by_name = |name: &str| {
        components
            .iter()
            .find(|one| one.name == name)
            .expect("there")
    };
    assert_eq!(by_name("np-secure").version, "1:1.0-1");
    assert_eq!(by_name("np-suite-libs").source, "np-suite");
    let providers = Providers::of_host(
        &host.machine.runner(),
        &host.machine.path().join("var/lib/netpatch-agent"),
    )
    .await;
    assert_eq!(providers.installer().name(), "dnf");
    assert!(host.installer.detect().await);
    assert_eq!(host.installer.arch().await.expect("arch"), "x86_64");
}

#[tokio::test]
async fn a_damaged_database_is_never_an_empty_host() {
    let host = RpmHost::with(&["np-good"]).await;
    let place = host.machine.path().join("var/lib/rpm/rpmdb.sqlite");
    let whole = fs::read(&place).expect("the database");
    let mut holes = whole.clone();
    for byte in holes.iter_mut().skip(4096).take(12_288) {
        *byte = 0xa5;
    }
    for (what, bytes) in [
        ("holes", holes.as_slice()),
        ("cut", &whole[..20_000]),
        ("noise", b"this is no database".as_slice()),
        ("empty", b"".as_slice()),
    ] {
        for name in ["rpmdb.sqlite-wal", "rpmdb.sqlite-shm"] {
            let _ = fs::remove_file(place.with_file_name(name));
        }
        fs::write(&place, bytes).expect("a damaged database");
        let failure = host.installer.inventory().await.expect_err(what);
        assert!(
            failure.evidence[0].contains("rpm database"),
            "{what}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn an_update_comes_with_hash_size_and_errata() {
    let packages = [
        "np-good",
        "np-held",
        "np-secure",
        "np-new-dependency",
        "np-unmet",
        "np-kernel",
        "np-stream",
        "np-suite",
        "np-suite-libs",
        "np-replaced",
        "np-replacing",
    ];
    let host = RpmHost::with(&packages).await;
    use_repository(&host.machine, URL, "excludepkgs=np-held");
    let updates = host.installer.installable().await.expect("updates");
    let good = find(&updates, "np-good");
    assert_eq!(
        (
            good.installed_version.as_str(),
            good.candidate_version.as_str(),
            good.arch.as_str()
        ),
        ("1.0-1", "2.0-1", "noarch")
    );
    assert_eq!(
        (good.origin.as_str(), good.label.as_str()),
        ("np", "NetPatch test")
    );
    assert_eq!(good.state, UpdateState::Installable);
    assert_eq!(
        (good.errata.as_slice(), good.security),
        (["NPBA-2026:0002".to_owned()].as_slice(), false)
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
    assert_eq!(find(&updates, "np-held").state, UpdateState::Held);
    assert_eq!(find(&updates, "np-unmet").state, UpdateState::KeptBack);
    assert_eq!(find(&updates, "np-kernel").state, UpdateState::Installable);
    let brings = &find(&updates, "np-new-dependency").requires;
    assert_eq!(brings.len(), 1, "{brings:?}");
    assert_eq!(
        (brings[0].name.as_str(), brings[0].change),
        ("np-dependency", Change::Install)
    );
    let replaces = &find(&updates, "np-replacing").requires;
    assert_eq!(replaces.len(), 1, "{replaces:?}");
    assert_eq!(
        (replaces[0].name.as_str(), replaces[0].change),
        ("np-replaced", Change::Remove)
    );
    let suite = find(&updates, "np-suite");
    assert_eq!(
        (suite.source.as_str(), suite.source_version.as_str()),
        ("np-suite", "2.0-1")
    );
    assert!(
        suite.requires.is_empty(),
        "both belong to one patch: {suite:?}"
    );
    // Its module has two streams and none is enabled.
    assert!(updates.iter().all(|update| update.name != "np-stream"));
    let (plan, _) = host.plan(&["np-good"]).await;
    assert_eq!(plan.items[0].sha256, Some(good.sha256));
    assert_eq!(plan.items[0].size_bytes, good.size_bytes);
    let file = fs::read(crate::rpm_host::folder().join("np-good-2.0-1.noarch.rpm")).expect("file");
    assert_eq!(good.sha256, netpatch_types::Sha256::of(&file));
    assert_eq!(good.size_bytes, file.len() as u64);
}

#[tokio::test]
async fn an_enabled_module_stream_decides() {
    let host = RpmHost::with(&["np-stream"]).await;
    for (stream, offered) in [("one", false), ("two", true)] {
        let text = format!("[np]\nname=np\nstream={stream}\nprofiles=\nstate=enabled\n");
        write(
            &host.machine.path().join("etc/dnf/modules.d/np.module"),
            &text,
        );
        let updates = host.installer.installable().await.expect("updates");
        assert_eq!(
            updates.iter().any(|update| update.name == "np-stream"),
            offered,
            "{stream}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_planned_has_a_reason() {
    let host = RpmHost::with(&["np-unmet", "np-good"]).await;
    match host.installer.plan(&wanted(&["np-unmet"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
            assert!(
                failure
                    .evidence
                    .iter()
                    .any(|line| line.contains("np-does-not-exist")),
                "{failure:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    let gone = Wanted {
        name: "np-good".into(),
        arch: "noarch".into(),
        version: "1.5-1".into(),
    };
    match host.installer.plan(&[gone]).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Superseded),
        other => panic!("{other:?}"),
    }
    use_repository(&host.machine, URL, "excludepkgs=np-good");
    match host.installer.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Hold),
        other => panic!("{other:?}"),
    }
    use_repository(&host.machine, URL, "gpgcheck=0\nrepo_gpgcheck=0");
    match host.installer.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::SignatureInvalid)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn https_repositories_are_fetched_through_the_loopback_and_stay_as_they_are() {
    let host = RpmHost::with(&[]).await;
    let https = URL.replace("http://", "https://");
    use_repository(&host.machine, &https, "");
    let before = fs::read(host.machine.path().join("etc/yum.repos.d/np.repo")).expect("repository");
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
    let after = fs::read(host.machine.path().join("etc/yum.repos.d/np.repo")).expect("repository");
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_damaged_or_unsigned_index_is_refused() {
    let host = RpmHost::with(&["np-good"]).await;
    *host.shelf.damaged.lock().expect("lock") = Some("repomd.xml.asc".into());
    let failure = host
        .installer
        .refresh(Some(&host.origin.url()))
        .await
        .expect_err("refused");
    assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
    *host.shelf.damaged.lock().expect("lock") = None;
    *host.shelf.gone.lock().expect("lock") = Some("repomd.xml.asc".into());
    let failure = host
        .installer
        .refresh(Some(&host.origin.url()))
        .await
        .expect_err("refused");
    assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
}
