//! What the platform keeps of payloads for deployments: through a kill, and beside what others have kept.

use crate::delta::{Repository, host_wants, relay, running_relay, services};
use crate::program::Served;
use crate::sandbox::{Sandbox, Topology};
use crate::stored::kept;
use crate::the_loop::Setting;
use chrono::Datelike as _;
use netpatch_auth::SiteUpdate;
use netpatch_gateway::ingress::Services as _;
use netpatch_protocol::site::StagingRequest;
use netpatch_scheduler_api::{DeploymentChange, DeploymentStatus};
use netpatch_storage::blobs::content_key;
use netpatch_testkit::poll_until;
use netpatch_types::{Sha256, WeekHours};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);
/// What the hosts of a [`Setting`] need, and as what they name it.
const NEEDED: [&str; 2] = ["libssl3", "openssl"];

fn path(name: &str) -> String {
    format!("pool/{name}.deb")
}

/// What lies in the platform's own store, from outside.
fn on_disk(data: &Path, name: &str) -> Option<Vec<u8>> {
    let sha256 = Sha256::of(name.as_bytes());
    let key = content_key("payloads/file", &sha256);
    std::fs::read(data.join("blobs/netpatch").join(key)).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_killed_while_it_fetches_fetches_the_rest_after_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let configured = "[payloads]\nprivate_hosts = [\"127.0.0.1\"]\n";
    std::fs::write(data.with_extension("toml"), configured).unwrap();
    let repository = Repository::start().await;
    for name in NEEDED {
        repository.put(&path(name), name.as_bytes());
    }
    let slow = path("openssl");
    repository.hold_up(Some(&slow));
    let served = Served::start(&data);
    let quic = served.quic.clone();
    let setting = Setting::with_repository(Sandbox::beside(&data).await, &repository.base).await;
    // The relay asks for plans, and fetches nothing itself: it may on the other side of the week only.
    let day = setting.sandbox.clock.now().date_naive() + chrono::Days::new(3);
    let hours = WeekHours {
        days: vec![day.weekday()],
        from_minute: 0,
        until_minute: 60,
    };
    let update = SiteUpdate {
        staging_hours: Some(vec![hours]),
        ..SiteUpdate::new(setting.site)
    };
    let auth = &setting.sandbox.roles.auth;
    auth.site_update(&setting.system(), update).await.unwrap();
    let deployment = setting.deploy().await;
    let (relay, _folder) = running_relay(&setting.sandbox, &setting.place(), &quic).await;
    poll_until("one is kept, the other under way", SOON, async || {
        let is_half = on_disk(&data, "libssl3").is_some() && repository.asked(&slow) == 1;
        is_half.then_some(())
    })
    .await;
    assert_eq!(on_disk(&data, "openssl"), None);

    served.kill();
    repository.hold_up(None);
    let served = Served::start_at(&data, &quic);
    // The relay holds the plan already; nobody else asks for anything.
    poll_until("the other is kept too", SOON, async || {
        on_disk(&data, "openssl")
    })
    .await;
    for name in NEEDED {
        assert_eq!(on_disk(&data, name).as_deref(), Some(name.as_bytes()));
    }
    assert_eq!(repository.asked(&path("libssl3")), 1, "not again");
    assert_eq!(relay.status().unwrap().payloads, 0, "none for itself");
    assert_eq!(deployment.status, DeploymentStatus::Scheduled);
    assert_eq!(served.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deployment_needs_outlives_what_is_newer_until_it_is_over() {
    let sandbox = Sandbox::keeping(Topology::Direct, 250).await;
    sandbox.roles.auth.bootstrap().await.unwrap().unwrap();
    let repository = Repository::start().await;
    for name in NEEDED {
        repository.put(&path(name), name.as_bytes());
    }
    let setting = Setting::with_repository(sandbox, &repository.base).await;
    let (sandbox, place) = (&setting.sandbox, setting.place());
    let deployment = setting.deploy().await;
    let is_kept = async |bytes: &[u8]| {
        let key = content_key("payloads/file", &Sha256::of(bytes));
        sandbox.roles.blobs.exists(&key).await.unwrap()
    };
    let (edge, relay) = (services(sandbox), relay(sandbox, &place).await);
    let plan = edge.staging(place.organization, relay, StagingRequest::default());
    assert_eq!(plan.await.unwrap().payloads.len(), 2);
    for name in NEEDED {
        poll_until("that it is kept", SOON, async || {
            is_kept(name.as_bytes()).await.then_some(())
        })
        .await;
    }
    // Others come and go.
    let other = |n: u8| vec![n; 100];
    let store = async |n: u8| {
        let bytes = other(n);
        // The store tells times by the second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        repository.put(&path(&n.to_string()), &bytes);
        let url = format!("{}/{}", repository.base, path(&n.to_string()));
        host_wants(sandbox, &place, &bytes, &url).await;
        kept(sandbox, &place, &url, &bytes).await;
    };
    for n in 1..=4 {
        store(n).await;
    }
    for n in 1..=4 {
        assert_eq!(is_kept(&other(n)).await, n > 2, "{n}");
    }
    for name in NEEDED {
        assert!(is_kept(name.as_bytes()).await, "{name}");
    }
    let change = DeploymentChange {
        id: deployment.id,
        reason: "not wanted".into(),
        if_match: None,
    };
    let person = sandbox.person(place.organization, "somebody");
    let scheduler = &sandbox.roles.scheduler;
    scheduler.deployment_cancel(&person, change).await.unwrap();
    store(5).await;
    for name in NEEDED {
        assert!(!is_kept(name.as_bytes()).await, "{name}");
    }
    assert!(is_kept(&other(5)).await);
}
