//! The apk provider with the real apk: reports, what is fetched ahead, and what cannot be trusted.

use crate::apk_host::{ApkHost, URL, folder, wanted};
use crate::rpm_host::write;
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::{
    Installable, Installer as _, PlanError, Provider as _, Providers, UpdateState,
};
use netpatch_agent_core::plan::{Change, Wanted};
use netpatch_agent_core::{Failure, FailureCause, Refusal};
use netpatch_types::{Ecosystem, Sha256};
use std::fs;

fn find<'a>(updates: &'a [Installable], name: &str) -> &'a Installable {
    let found = updates.iter().find(|update| update.name == name);
    found.unwrap_or_else(|| panic!("{name} is not offered"))
}

fn names(updates: &[Installable]) -> Vec<&str> {
    updates.iter().map(|update| update.name.as_str()).collect()
}

pub(crate) fn has(failure: &Failure, text: &str) {
    assert!(
        failure.evidence.iter().any(|line| line.contains(text)),
        "{failure:?}"
    );
}

/// Binds a package to its installed version, as a person would.
fn hold(host: &ApkHost, package: &str) {
    let world = host.world();
    let held = world.replace(&format!("{package}\n"), &format!("{package}=1.0-r0\n"));
    assert_ne!(held, world);
    write(&host.machine.path().join("etc/apk/world"), &held);
}

#[tokio::test]
async fn what_is_installed_and_what_could_be() {
    let packages = [
        "np-good",
        "np-held",
        "np-unmet",
        "np-new-dependency",
        "np-shed",
        "np-shedding",
        "np-suite",
        "np-suite-libs",
    ];
    let host = ApkHost::before_refresh(&packages).await;
    hold(&host, "np-held");
    let before = (host.database(), host.packages());
    assert!(host.apk.installable().await.expect("none").is_empty());
    host.refresh().await;
    let inventory = host.apk.inventory().await.expect("inventory");
    let found: Vec<String> = inventory
        .components
        .iter()
        .map(|one| format!("{}-{}", one.name, one.version))
        .collect();
    assert_eq!(found, host.packages().0);
    assert!(inventory.components.iter().all(|one| {
        (
            one.ecosystem,
            one.distribution.as_str(),
            one.release.as_str(),
            one.arch.as_str(),
        ) == (Ecosystem::Apk, "alpine", "3.23", "x86_64")
    }));
    let work = host.machine.path().join("var/lib/netpatch-agent");
    let providers = Providers::of_host(&host.machine.runner(), &work).await;
    assert_eq!(providers.installer().name(), "apk");
    assert_eq!(host.apk.arch().await.expect("arch"), "x86_64");

    let updates = host.apk.installable().await.expect("updates");
    let mut expected = packages.to_vec();
    expected.retain(|name| *name != "np-shed");
    expected.sort_unstable();
    assert_eq!(names(&updates), expected);
    let good = find(&updates, "np-good");
    let file = fs::read(folder().join("x86_64/np-good-2.0-r0.apk")).expect("the package");
    assert_eq!(
        (good.sha256, good.size_bytes),
        (Sha256::of(&file), file.len() as u64)
    );
    assert_eq!(
        (
            good.state,
            good.origin.as_str(),
            good.suite.as_str(),
            good.label.as_str()
        ),
        (UpdateState::Installable, "alpine/v3.23/main", "v3.23", URL)
    );
    assert_eq!(find(&updates, "np-held").state, UpdateState::Held);
    assert_eq!(find(&updates, "np-unmet").state, UpdateState::KeptBack);
    assert_eq!(find(&updates, "np-suite-libs").source, "np-suite");
    assert!(find(&updates, "np-suite").requires.is_empty());
    let brings = &find(&updates, "np-new-dependency").requires;
    assert_eq!(brings.len(), 1, "{brings:?}");
    let sources = host.apk.sources().await;
    for (sha256, file) in [
        (Some(good.sha256), "np-good-2.0-r0.apk"),
        (brings[0].sha256, "np-dependency-1.0-r0.apk"),
        (
            Some(find(&updates, "np-unmet").sha256),
            "np-unmet-2.0-r0.apk",
        ),
    ] {
        let found = sources.iter().find(|source| Some(source.sha256) == sha256);
        let found = found.unwrap_or_else(|| panic!("{file} lies nowhere: {sources:?}"));
        assert_eq!(found.url, format!("{URL}/x86_64/{file}"));
        let bytes = fs::read(folder().join("x86_64").join(file)).expect("a package");
        assert_eq!(found.sha256, Sha256::of(&bytes));
    }
    assert_eq!(
        (brings[0].name.as_str(), brings[0].change),
        ("np-dependency", Change::Install)
    );
    let takes = &find(&updates, "np-shedding").requires;
    assert_eq!(takes.len(), 1, "{takes:?}");
    assert_eq!(
        (takes[0].name.as_str(), takes[0].change),
        ("np-shed", Change::Remove)
    );
    // Looking changes nothing on the host.
    assert_eq!((host.database(), host.packages()), before);
}

#[tokio::test]
async fn what_could_be_installed_is_fetched_once_and_goes_when_it_is_offered_no_more() {
    let host = ApkHost::with(&["np-good", "np-held"]).await;
    let (first, from_elsewhere) = host.origin.bytes();
    assert!(first > 0 && from_elsewhere == 0);
    host.refresh().await;
    let (second, _) = host.origin.bytes();
    let index = fs::metadata(folder().join("x86_64/APKINDEX.tar.gz")).expect("the index");
    assert_eq!(second - first, index.len(), "only the index came again");
    let cache = host.machine.path().join("var/lib/netpatch-agent/apk/cache");
    let cached = || -> Vec<String> {
        let entries = fs::read_dir(&cache).expect("the cache").flatten();
        let names = entries.map(|entry| entry.file_name().into_string().expect("a name"));
        names.filter(|name| name.ends_with(".apk")).collect()
    };
    assert_eq!(cached().len(), 2);
    // Somebody removes a package by hand.
    let output = host
        .machine
        .inside("apk", &["--no-network", "del", "np-held"]);
    assert!(output.status.success(), "{output:?}");
    host.refresh().await;
    let left = cached();
    assert!(
        left.len() == 1 && left[0].starts_with("np-good-2.0-r0."),
        "{left:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_planned_has_a_reason() {
    let host = ApkHost::with(&["np-good", "np-held", "np-unmet"]).await;
    match host.apk.plan(&wanted(&["np-unmet"])).await {
        Err(PlanError::Failed(failure)) => {
            assert_eq!(failure.cause, FailureCause::DependencyUnsatisfiable);
            has(&failure, "np-does-not-exist");
        }
        other => panic!("{other:?}"),
    }
    let gone = Wanted {
        version: "1.5-r0".into(),
        ..wanted(&["np-good"]).remove(0)
    };
    match host.apk.plan(&[gone]).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Superseded),
        other => panic!("{other:?}"),
    }
    hold(&host, "np-held");
    match host.apk.plan(&wanted(&["np-good", "np-held"])).await {
        Err(PlanError::Refused(refused)) => assert_eq!(refused.refusal, Refusal::Hold),
        other => panic!("{other:?}"),
    }
    let plan = host.apk.plan(&wanted(&["np-good"])).await.expect("a plan");
    assert_eq!(plan.items.len(), 1, "{plan:?}");
}

#[tokio::test]
async fn an_index_that_another_key_signed_is_refused() {
    let host = ApkHost::before_refresh(&["np-good"]).await;
    // The same address gives the index of another signer.
    let stranger = host.machine.path().join("srv/stranger");
    fs::create_dir_all(stranger.join("x86_64")).expect("a folder");
    for name in ["np-good-2.0-r0.apk", "APKINDEX.tar.gz"] {
        let from = match name {
            "APKINDEX.tar.gz" => folder().join("other"),
            _ => folder().join("x86_64"),
        };
        fs::copy(from.join(name), stranger.join("x86_64").join(name)).expect("a file");
    }
    let shelf = std::sync::Arc::new(crate::repository::Shelf::of(stranger));
    let repositories = host.apk.repositories().await.expect("repositories");
    let origin = PayloadOrigin::open(shelf, repositories)
        .await
        .expect("a port");
    let failure = host
        .apk
        .refresh(Some(&origin.url()))
        .await
        .expect_err("refused");
    assert_eq!(failure.cause, FailureCause::SignatureInvalid, "{failure:?}");
    assert!(host.apk.installable().await.expect("none").is_empty());
    host.refresh().await;
    assert_eq!(host.apk.installable().await.expect("updates").len(), 1);
}

#[tokio::test]
async fn a_file_that_is_not_what_the_index_says_is_not_offered_and_the_others_are() {
    let host = ApkHost::before_refresh(&["np-good", "np-config"]).await;
    *host.shelf.damaged.lock().expect("lock") = Some("np-good-2.0".into());
    let failure = host
        .apk
        .refresh(Some(&host.origin.url()))
        .await
        .expect_err("told");
    assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}");
    has(&failure, "np-good 2.0-r0");
    let updates = host.apk.installable().await.expect("updates");
    assert_eq!(names(&updates), ["np-config"]);
    match host.apk.plan(&wanted(&["np-good"])).await {
        Err(PlanError::Failed(failure)) => has(&failure, "nobody knows the hash of np-good"),
        other => panic!("{other:?}"),
    }
    *host.shelf.damaged.lock().expect("lock") = None;
    host.refresh().await;
    assert_eq!(host.apk.installable().await.expect("updates").len(), 2);
}

#[tokio::test]
async fn a_repository_that_cannot_be_reached_is_told() {
    let host = ApkHost::before_refresh(&["np-good"]).await;
    *host.shelf.gone.lock().expect("lock") = Some("APKINDEX".into());
    let failure = host
        .apk
        .refresh(Some(&host.origin.url()))
        .await
        .expect_err("told");
    assert_eq!(
        failure.cause,
        FailureCause::NetworkUnreachable,
        "{failure:?}"
    );
}

#[tokio::test]
async fn https_repositories_are_fetched_through_the_loopback_and_tags_count() {
    let host = ApkHost::before_refresh(&["np-good", "np-config"]).await;
    let https = URL.replace("http://", "https://");
    let list = host.machine.path().join("etc/apk/repositories");
    write(&list, &format!("# mine\n@np {https}\n"));
    let world = host.world().replace("np-good\n", "np-good@np\n");
    write(&host.machine.path().join("etc/apk/world"), &world);
    let repositories = host.apk.repositories().await.expect("repositories");
    assert_eq!(repositories, std::slice::from_ref(&https));
    let origin = PayloadOrigin::open(host.shelf.clone(), repositories)
        .await
        .expect("a port");
    host.shelf.asked.lock().expect("lock").clear();
    host.apk
        .refresh(Some(&origin.url()))
        .await
        .expect("refreshed");
    let asked = host.shelf.asked.lock().expect("lock").clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|asked| *asked == https),
        "{asked:?}"
    );
    let updates = host.apk.installable().await.expect("updates");
    // Only what a person asked for with the repository's tag comes from there.
    assert_eq!(names(&updates), ["np-good"]);
    assert_eq!(updates[0].label, https);
    let text = fs::read_to_string(&list).expect("the list");
    assert!(text.contains("@np https://"), "{text}");
}

#[tokio::test]
async fn an_index_of_apk_3_is_read_too() {
    let host = ApkHost::before_refresh(&["np-good", "np-new-dependency"]).await;
    let root = host.machine.path();
    let place = root.join("srv/np/x86_64");
    fs::create_dir_all(&place).expect("a folder");
    let packages = [
        "np-good-2.0-r0.apk",
        "np-new-dependency-2.0-r0.apk",
        "np-dependency-1.0-r0.apk",
    ];
    for name in packages {
        fs::copy(folder().join("x86_64").join(name), place.join(name)).expect("a package");
    }
    fs::copy(folder().join("np.rsa"), root.join("var/tmp/np.rsa")).expect("the key");
    let mut words = vec!["mkndx", "--sign-key", "/var/tmp/np.rsa", "-o"];
    words.push("/srv/np/x86_64/Packages.adb");
    let files = packages.map(|name| format!("/srv/np/x86_64/{name}"));
    words.extend(files.iter().map(String::as_str));
    let output = host.machine.inside("apk", &words);
    assert!(output.status.success(), "{output:?}");
    write(&root.join("etc/apk/repositories"), &format!("v3 {URL}\n"));
    let shelf = std::sync::Arc::new(crate::repository::Shelf::of(root.join("srv/np")));
    let repositories = host.apk.repositories().await.expect("repositories");
    let origin = PayloadOrigin::open(shelf, repositories).await;
    let origin = origin.expect("a port");
    let refreshed = host.apk.refresh(Some(&origin.url())).await;
    refreshed.expect("refreshed");
    let updates = host.apk.installable().await.expect("updates");
    assert_eq!(names(&updates), ["np-good", "np-new-dependency"]);
    let file = fs::read(place.join("np-good-2.0-r0.apk")).expect("the package");
    assert_eq!(updates[0].sha256, Sha256::of(&file));
    let plan = host.apk.plan(&wanted(&["np-new-dependency"])).await;
    assert_eq!(plan.expect("a plan").items.len(), 2);
}

#[tokio::test]
async fn an_index_that_the_disk_damaged_is_told_and_fetched_again() {
    let host = ApkHost::with(&["np-good"]).await;
    let cache = host.machine.path().join("var/lib/netpatch-agent/apk/cache");
    let index = fs::read_dir(&cache)
        .expect("the cache")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(".tar.gz"))
        .expect("the index");
    let whole = fs::read(&index).expect("the index");
    for damaged in [
        &whole[..whole.len() / 2],
        b"",
        b"ADBd\xff\xff\xff\xff",
        b"\x1f\x8b",
    ] {
        fs::write(&index, damaged).expect("damage");
        let failure = host.apk.installable().await.expect_err("told");
        assert_eq!(failure.cause, FailureCause::PayloadCorrupt, "{failure:?}");
        host.refresh().await;
        assert_eq!(host.apk.installable().await.expect("updates").len(), 1);
    }
}
