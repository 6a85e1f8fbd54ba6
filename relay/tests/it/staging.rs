use crate::relay::Site;
use crate::upstream::Upstream;
use crate::world::clock;
use chrono::Datelike as _;
use netpatch_protocol::site::{
    PayloadRequest, SiteSettings, StagedPayload, StagingPlan, Upstream as Source, WeekHours,
};
use netpatch_relay::cache::store::Store;
use netpatch_relay::cache::{Cache, Reply};
use netpatch_relay::counters::Counters;
use netpatch_relay::status::StagedWave;
use netpatch_relay::{Relay, cache::Unstaged};
use netpatch_relay_core::Upstreams;
use netpatch_relay_core::staging::{Staged, StagingPlan as Plan};
use netpatch_types::{Sha256, SystemClock};
use std::sync::Arc;
use std::time::Duration;

const DEPLOYMENT: &str = "019aa2b0-0000-7000-8000-000000000001";

fn payload(repository: &str, path: &str, body: &[u8]) -> StagedPayload {
    StagedPayload {
        repository: repository.into(),
        path: path.into(),
        sha256: Sha256::of(body).0.to_vec(),
        size_bytes: body.len() as u64,
        deployment_id: DEPLOYMENT.into(),
        wave: 2,
        needed_at_ms: 1_796_000_000_000,
    }
}

fn plan(payloads: Vec<StagedPayload>) -> StagingPlan {
    StagingPlan {
        plan: vec![7; 32],
        payloads,
    }
}

/// Until the relay's status says so.
async fn until(relay: &Relay, is_so: impl Fn(&[StagedWave]) -> bool) -> Vec<StagedWave> {
    let waiting = async {
        loop {
            let waves = relay.status().expect("status").staging;
            if is_so(&waves) {
                return waves;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let time = Duration::from_secs(60);
    tokio::time::timeout(time, waiting).await.expect("in time")
}

#[tokio::test]
async fn what_waves_will_need_is_here_before_hosts_ask() {
    let site = Site::start_at(clock(), |_| {}).await;
    let base = &site.upstream.base;
    site.upstream.put_bytes("pool/a.deb", b"wanted");
    site.upstream.put_bytes("pool/b.deb", b"something else");
    *site.edge.desk.staging.lock().unwrap() = plan(vec![
        payload(base, "pool/a.deb", b"wanted"),
        payload(base, "pool/b.deb", b"what was approved"),
        payload("http://elsewhere.invalid/debian", "pool/c.deb", b"c"),
    ]);
    let is_done = |waves: &[StagedWave]| {
        waves
            .iter()
            .any(|wave| wave.staged == 1 && !wave.problem.is_empty())
    };
    let waves = until(&site.relay, is_done).await;
    assert_eq!(waves.len(), 1);
    assert_eq!(
        (waves[0].wave, waves[0].payloads, waves[0].staged_bytes),
        (2, 3, 6)
    );
    assert!(
        waves[0]
            .problem
            .starts_with("pool/b.deb: what lies there has another hash"),
        "{}",
        waves[0].problem
    );
    let text = site.relay.status().expect("status").to_text();
    assert!(
        text.contains("1 of 3 payloads, 6 of 24 bytes, for wave 2"),
        "{text}"
    );
    // The edge is told, and names no new plan: nothing is fetched again.
    let told = async {
        while !site.edge.desk.staged.lock().unwrap().iter().any(|asked| {
            asked.plan == vec![7; 32] && asked.waves.iter().any(|wave| wave.staged == 1)
        }) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told)
        .await
        .expect("told");
    assert_eq!(site.upstream.requests().len(), 2);
    // A host has it without a request to the upstream, and one that starts without the edge still knows its plan.
    let host = site.edge.organization.host();
    let connection = site.client(&host).connection().await.expect("connected");
    let answered = connection.payload(site.request("pool/a.deb")).await;
    assert!(answered.expect("an answer").0.from_cache);
    assert_eq!(site.upstream.requests().len(), 2);
    let held = site.data.staging_plan().expect("kept");
    assert_eq!(held.payloads.len(), 3);
}

#[tokio::test]
async fn outside_its_hours_nothing_is_fetched_ahead() {
    let site = Site::start_at(clock(), |_| {}).await;
    site.upstream.put_bytes("pool/a.deb", b"wanted");
    let other_day = (clock().now().weekday().number_from_monday() + 2) % 7 + 1;
    let hours = WeekHours {
        days: vec![other_day],
        from_minute: 0,
        until_minute: 1440,
    };
    site.edge.desk.settings.lock().unwrap().staging_hours = vec![hours];
    let heard = async {
        while site
            .data
            .settings()
            .expect("settings")
            .staging_hours
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard)
        .await
        .expect("heard");
    let wanted = payload(&site.upstream.base, "pool/a.deb", b"wanted");
    *site.edge.desk.staging.lock().unwrap() = plan(vec![wanted]);
    until(&site.relay, |waves| {
        waves.iter().any(|wave| wave.payloads == 1)
    })
    .await;
    // Asked twice more with the plan in hand, it has fetched nothing.
    let asked = site.edge.desk.staged.lock().unwrap().len();
    let again = async {
        while site.edge.desk.staged.lock().unwrap().len() < asked + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again)
        .await
        .expect("asked again");
    assert_eq!(site.upstream.requests(), Vec::<String>::new());
    site.edge
        .desk
        .settings
        .lock()
        .unwrap()
        .staging_hours
        .clear();
    until(&site.relay, |waves| {
        waves.iter().any(|wave| wave.staged == 1)
    })
    .await;
}

#[tokio::test]
async fn what_is_staged_is_not_given_up_and_what_does_not_fit_is_not_fetched() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await);
    let store = Store::open(folder.path()).expect("store");
    let counters = Arc::<Counters>::default();
    let cache = Cache::open(store, 100, 0, counters, SystemClock::shared()).expect("cache");
    cache.set_upstreams(Upstreams::from_settings(&SiteSettings {
        upstreams: vec![Source {
            repository: upstream.base.clone(),
            urls: Vec::new(),
        }],
        ..SiteSettings::default()
    }));
    for path in ["pool/a.deb", "pool/b.deb", "pool/c.deb"] {
        upstream.put_bytes(path, &[b'x'; 60]);
    }
    upstream.put_bytes("pool/b.deb", &[b'y'; 60]);
    let base = &upstream.base;
    let plan = Plan::read(&plan(vec![
        payload(base, "pool/a.deb", &[b'x'; 60]),
        payload(base, "pool/b.deb", &[b'y'; 60]),
    ]));
    cache.pin(plan.wanted());
    let [first, second]: &[Staged; 2] = plan.payloads().try_into().expect("two");
    cache.stage(first).await.expect("staged");
    assert!(cache.holds(first));
    let refused: Unstaged = cache.stage(second).await.expect_err("too much");
    assert!(!refused.is_final, "{refused}");
    assert_eq!(upstream.requests().len(), 1);
    // A host's payload is served, and passed through.
    let request = PayloadRequest {
        repository: base.clone(),
        path: "pool/b.deb".into(),
        ..PayloadRequest::default()
    };
    let Reply::Arriving { fill, .. } = cache.respond(&request).await else {
        panic!("it is fetched");
    };
    assert_eq!(fill.finished().await, Ok(60));
    assert!(cache.holds(first) && !cache.holds(second));
}
