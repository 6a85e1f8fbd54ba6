//! What the apt provider reports: inventory, installable updates, plans.

use crate::host::{Host, use_sources, wanted};
use crate::repository::URL;
use netpatch_agent::provider::{Installer as _, PlanError, Provider as _, UpdateState};
use netpatch_agent_core::plan::{Change, Wanted};
use netpatch_agent_core::{FailureCause, Refusal};

#[tokio::test]
async fn the_inventory_is_what_dpkg_query_says() {
    let host = Host::with(&["np-good"]).await;
    let inventory = host.apt.inventory().await.expect("inventory");
    let format = "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n";
    let output = host.inside("dpkg-query", &["-W", "-f", format]);
    let mut expected: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    let mut found: Vec<String> = inventory
        .components
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {} {}",
                one.name, one.version, one.arch, one.source, one.source_version
            )
        })
        .collect();
    expected.sort();
    found.sort();
    assert!(found.len() > 50);
    assert_eq!(found, expected);
    assert!(
        inventory
            .components
            .iter()
            .all(|one| one.distribution == "debian" && one.release == "bookworm")
    );
}

#[tokio::test]
async fn an_update_comes_with_hash_size_and_origin() {
    let host = Host::with(&["np-good", "np-conffile", "np-new-dependency", "np-unmet"]).await;
    host.inside("apt-mark", &["hold", "np-conffile"]);
    let updates = host.apt.installable().await.expect("updates");
    let find = |name: &str| {
        updates
            .iter()
            .find(|update| update.name == name)
            .expect("an update")
    };
    let good = find("np-good");
    assert_eq!(
        (
            good.installed_version.as_str(),
            good.candidate_version.as_str()
        ),
        ("1.0-1", "2.0-1")
    );
    assert_eq!(
        (
            good.origin.as_str(),
            good.suite.as_str(),
            good.label.as_str()
        ),
        ("netpatch-test", "stable", "netpatch-test")
    );
    assert_eq!(
        (good.state, good.section.as_str()),
        (UpdateState::Installable, "misc")
    );
    assert!(good.requires.is_empty());
    let sources = host.apt.sources().await;
    let lies = |sha256| {
        let found = sources.iter().find(|source| Some(source.sha256) == sha256);
        found.expect("an address").url.clone()
    };
    assert_eq!(find("np-conffile").state, UpdateState::Held);
    assert_eq!(find("np-unmet").state, UpdateState::KeptBack);
    let brings = &find("np-new-dependency").requires;
    assert_eq!(brings.len(), 1, "{brings:?}");
    assert_eq!(
        (brings[0].name.as_str(), brings[0].change),
        ("np-dependency", Change::Install)
    );
    for (sha256, name) in [
        (Some(good.sha256), "np-good"),
        (brings[0].sha256, "np-dependency"),
    ] {
        let url = lies(sha256);
        assert!(url.contains(name) && url.ends_with(".deb"), "{url}");
    }
    let (plan, _) = host.plan(&["np-good"]).await;
    assert_eq!(plan.items[0].sha256, Some(good.sha256));
    assert_eq!(plan.items[0].size_bytes, good.size_bytes);
}

#[tokio::test]
async fn what_cannot_be_planned_has_a_reason() {
    let host = Host::with(&["np-unmet", "np-good"]).await;
    match host.apt.plan(&wanted(&["np-unmet"])).await {
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
        arch: "all".into(),
        version: "1.5-1".into(),
    };
    match host.apt.plan(&[gone]).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Superseded),
        other => panic!("{other:?}"),
    }
    host.inside("apt-mark", &["hold", "np-good"]);
    match host.apt.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Hold),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn https_sources_are_fetched_through_the_loopback_and_stay_as_they_are() {
    let host = Host::with(&[]).await;
    let https = URL.replace("http://", "https://");
    use_sources(&host.root(), &https);
    let repositories = host.apt.repositories().await.expect("sources");
    assert_eq!(repositories, std::slice::from_ref(&https));
    let origin = netpatch_agent::payload::PayloadOrigin::open(host.shelf.clone(), repositories)
        .await
        .expect("a port");
    host.shelf.asked.lock().expect("lock").clear();
    host.apt
        .refresh(Some(&origin.url()))
        .await
        .expect("refreshed");
    assert!(
        host.shelf
            .asked
            .lock()
            .expect("lock")
            .iter()
            .all(|asked| *asked == https)
    );
    assert_eq!(host.apt.repositories().await.expect("sources"), [https]);
}
