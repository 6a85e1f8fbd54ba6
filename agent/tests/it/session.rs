//! The whole agent against a small platform: enrolment, reports, an order, its result. The host's apt is real.

use crate::edge::{Edge, SECRET};
use crate::host::{Host, until, use_sources};
use crate::order::{DEPLOYMENT, order};
use crate::relay::Relay;
use crate::repository;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use netpatch_agent::agent::{self, Options, read_status};
use netpatch_agent::command::Runner;
use netpatch_agent::enrol::{self, EnrolFault};
use netpatch_agent::run::Runs;
use netpatch_agent::state::StateFolder;
use netpatch_proof::PublicKey;
use netpatch_protocol::document::RunResult;
use netpatch_protocol::manifest::verify_manifest;
use netpatch_protocol::session::agent_message;
use netpatch_protocol::{EnrolmentToken, open_envelope};
use netpatch_types::{Clock as _, Sha256, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The test repository as a web server: what the sources of a host without a relay name.
pub(crate) async fn web_server() -> (String, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/debian", listener.local_addr().expect("address"));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                let path = request
                    .uri()
                    .path()
                    .trim_start_matches("/debian/")
                    .to_owned();
                let found = std::fs::read(repository::folder().join(path));
                let status = if found.is_ok() { 200 } else { 404 };
                let body = Full::new(bytes::Bytes::from(found.unwrap_or_default()));
                Response::builder().status(status).body(body)
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    (url, AbortOnDropHandle::new(task))
}

pub(crate) async fn enrol_with(
    state: &StateFolder,
    server: &str,
    relay: Option<&str>,
    host: &Host,
    token: &EnrolmentToken,
) -> Result<(), EnrolFault> {
    let request = enrol::Request {
        server,
        relay,
        proxies: netpatch_tunnel::Proxies::default(),
        token,
        root: &host.root(),
        clock: SystemClock::shared(),
        again: false,
    };
    enrol::enrol(state, request).await.map(drop)
}

/// The agent of a host, as its process would run it.
pub(crate) fn options(state: &StateFolder, host: &Host) -> Options {
    let root = host.root();
    Options {
        state: state.clone(),
        runner: Runner::in_root(
            root.clone(),
            vec!["chroot".into(), root.to_string_lossy().into_owned()],
        ),
        audit_only: false,
        schedule: Some(netpatch_window::Schedule::every(Duration::from_secs(3600))),
        proxies: netpatch_tunnel::Proxies::default(),
        clock: SystemClock::shared(),
        uptime: Arc::new(netpatch_agent::clock::uptime),
        providers: None,
    }
}

#[tokio::test]
async fn a_counter_is_signed_as_often_as_the_edge_wants_one() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    edge.wants_counters_every(2);
    let server = edge.address.to_string();
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    for is_signed in [true, false] {
        until(|| async {
            edge.heard(|body| match body {
                agent_message::Body::Heartbeat(heartbeat) => {
                    (heartbeat.counter.is_some() == is_signed).then_some(())
                }
                _ => None,
            })
        })
        .await;
    }
    stop.cancel();
    running.await.expect("no panic").expect("ends in order");
}

#[tokio::test]
async fn enrolment_checks_token_and_platform_before_it_keeps_anything() {
    let host = Host::with(&[]).await;
    let edge = Edge::start();
    let server = edge.address.to_string();
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    let unknown = enrol_with(
        &state,
        &server,
        None,
        &host,
        &edge.token("another-secret-altogether"),
    )
    .await;
    assert!(matches!(unknown, Err(EnrolFault::Refused { code, .. }) if code == "UNAUTHENTICATED"));
    let elsewhere = EnrolmentToken {
        platform_root: Sha256::of(b"another root"),
        ..edge.token(SECRET)
    };
    assert!(matches!(
        enrol_with(&state, &server, None, &host, &elsewhere).await,
        Err(EnrolFault::Tunnel(_))
    ));
    assert!(state.read("identity.json").expect("readable").is_none());
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let again = enrol_with(&state, &server, None, &host, &edge.token(SECRET)).await;
    assert!(matches!(again, Err(EnrolFault::Already(_))));
}

#[tokio::test]
async fn an_order_becomes_an_installed_update_and_a_signed_result() {
    let host = Host::with(&["np-good", "np-failing-postinst"]).await;
    let (url, _web) = web_server().await;
    use_sources(&host.root(), &url);
    let before = host.status();
    let edge = Edge::start();
    let server = edge.address.to_string();
    let root = host.root();
    let state = StateFolder::open(&root.join("var/lib/netpatch-agent")).expect("state");
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));

    let manifest = until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::Manifest(manifest) => Some(manifest.clone()),
            _ => None,
        })
    })
    .await;
    let (_, components) = verify_manifest(&manifest).expect("hashes");
    assert!(
        components
            .iter()
            .any(|one| one.name == "np-good" && one.version == "1.0-1")
    );
    let updates = until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::Applicability(found) if found.problem.is_empty() => {
                Some(found.updates.clone())
            }
            _ => None,
        })
    })
    .await;
    assert!(
        updates
            .iter()
            .any(|update| update.name == "np-good" && update.sha256.len() == 32)
    );
    assert_eq!(host.status(), before, "without an order nothing changes");

    let (_, good) = host.plan(&["np-good"]).await;
    let now_ms = SystemClock::default().now().timestamp_millis();
    edge.send(order(&good, 1, now_ms));
    let done = final_step(&edge, 1).await;
    assert_eq!(
        (done.state.as_str(), done.cause.as_str()),
        ("succeeded", "")
    );
    assert!(done.bytes_from_origin > 0);
    let envelope = done.result.expect("a signed result");
    let claimed =
        <RunResult as prost::Message>::decode(envelope.payload.as_slice()).expect("a result");
    let key = PublicKey::p256_spki(&claimed.public_key).expect("a key");
    let result: RunResult = open_envelope(&envelope, &[key], 1).expect("signed by the host");
    assert_eq!(
        (
            result.changes[0].before.as_str(),
            result.changes[0].after.as_str()
        ),
        ("1.0-1", "2.0-1")
    );
    assert_eq!(host.version("np-good"), "2.0-1 installed");
    until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::ManifestDelta(delta) => Some(delta.hash == result.manifest_hash),
            _ => None,
        })
    })
    .await;

    // The same sequence with other content is a replay; a higher one is obeyed and fails on purpose.
    let (_, failing) = host.plan(&["np-failing-postinst"]).await;
    let replay = order(&failing, 1, now_ms);
    let digest = replay.digest();
    edge.send(replay);
    let answer = until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::OrderAnswer(answer) if answer.order == digest.0 => {
                Some(answer.clone())
            }
            _ => None,
        })
    })
    .await;
    assert_eq!(
        (answer.accepted, answer.refusal.as_str()),
        (false, "replay")
    );
    edge.send(order(&failing, 2, now_ms));
    let failed = final_step(&edge, 2).await;
    assert_eq!(
        (failed.state.as_str(), failed.cause.as_str()),
        ("rolled_back", "maintainer_script_failed")
    );
    let steps: Vec<u64> = edge
        .steps()
        .iter()
        .filter(|step| step.sequence == 2)
        .map(|step| step.step)
        .collect();
    assert_eq!(
        steps,
        (1..=failed.step).collect::<Vec<_>>(),
        "every step, once, in order"
    );

    let status = until(|| async {
        read_status(&state)
            .expect("readable")
            .filter(|status| status.runs.len() == 2 && status.last_scan_at.is_some())
    })
    .await;
    assert_eq!(
        (status.session.as_str(), status.carrier.as_deref()),
        ("up", Some("direct"))
    );
    assert!(status.time_confirmed);
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

/// The step that carries the result.
pub(crate) async fn final_step(edge: &Edge, sequence: u64) -> netpatch_protocol::session::RunEvent {
    until(|| async {
        edge.steps()
            .into_iter()
            .find(|step| step.sequence == sequence && step.result.is_some())
    })
    .await
}

#[tokio::test]
async fn a_host_behind_a_relay_needs_nothing_else() {
    let host = Host::with(&["np-good"]).await;
    let edge = Edge::start();
    let relay = Relay::start(&edge).await;
    let relay = relay.address.to_string();
    // Nobody listens there: the edge is out of reach but for the relay.
    let server = "127.0.0.1:9";
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    enrol_with(&state, server, Some(&relay), &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    until(|| async {
        edge.heard(|body| matches!(body, agent_message::Body::Applicability(_)).then_some(()))
    })
    .await;
    let (_, good) = host.plan(&["np-good"]).await;
    edge.send(order(
        &good,
        1,
        SystemClock::default().now().timestamp_millis(),
    ));
    let done = final_step(&edge, 1).await;
    assert_eq!(done.state, "succeeded");
    assert!(done.bytes_from_relay > 0);
    assert_eq!(done.bytes_from_origin, 0);
    assert_eq!(host.version("np-good"), "2.0-1 installed");
    let status = read_status(&state).expect("readable").expect("a status");
    assert_eq!(status.carrier.as_deref(), Some("relay"));
    stop.cancel();
    running
        .await
        .expect("no panic")
        .expect("ends in good order");
}

#[tokio::test]
async fn an_agent_that_dies_while_apt_works_goes_on_where_it_was() {
    let host = Host::with(&["np-held-up"]).await;
    let (url, _web) = web_server().await;
    use_sources(&host.root(), &url);
    let hold = host.root().join("run/np-held-up.wait");
    std::fs::write(&hold, "").expect("the file");
    let edge = Edge::start();
    let server = edge.address.to_string();
    let state = StateFolder::open(&host.root().join("var/lib/netpatch-agent")).expect("state");
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let first = tokio::spawn(agent::run(options(&state, &host), CancellationToken::new()));
    until(|| async {
        edge.heard(|body| matches!(body, agent_message::Body::Applicability(_)).then_some(()))
    })
    .await;
    let (_, content) = host.plan(&["np-held-up"]).await;
    edge.send(order(
        &content,
        1,
        SystemClock::default().now().timestamp_millis(),
    ));
    let log = Runs::new(&state).folder(DEPLOYMENT, 1).join("install.log");
    until(|| async {
        std::fs::read_to_string(&log)
            .ok()?
            .contains("Setting up np-held-up")
            .then_some(())
    })
    .await;
    first.abort();
    assert!(first.await.expect_err("killed").is_cancelled());
    until(|| async { state.lock().ok().map(drop) }).await;

    let stop = CancellationToken::new();
    let second = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    std::fs::remove_file(&hold).expect("lets apt go on");
    let done = final_step(&edge, 1).await;
    assert_eq!(done.state, "succeeded");
    let text = std::fs::read_to_string(&log).expect("the log");
    assert_eq!(
        text.matches("Setting up np-held-up").count(),
        1,
        "apt ran once: {text}"
    );
    stop.cancel();
    second.await.expect("no panic").expect("ends in good order");
}

#[tokio::test]
async fn a_change_on_the_host_is_told_unasked_and_a_scan_without_one_uploads_nothing() {
    let host = Host::with(&["np-good"]).await;
    let (url, _web) = web_server().await;
    use_sources(&host.root(), &url);
    let edge = Edge::start();
    let root = host.root();
    let environment = root.join("opt/env/lib/python3.11/site-packages");
    std::fs::create_dir_all(&environment).expect("folders");
    let state = StateFolder::open(&root.join("var/lib/netpatch-agent")).expect("state");
    let server = edge.address.to_string();
    enrol_with(&state, &server, None, &host, &edge.token(SECRET))
        .await
        .expect("enrols");
    let stop = CancellationToken::new();
    let running = tokio::spawn(agent::run(options(&state, &host), stop.clone()));
    let scanned = || {
        read_status(&state)
            .expect("readable")
            .and_then(|status| status.last_scan_at)
    };
    let first = until(|| async { scanned() }).await;
    let facts = until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::Facts(facts) => Some(facts.clone()),
            _ => None,
        })
    })
    .await;
    let providers: Vec<_> = facts
        .providers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(providers[..2], ["apt", "pip"]);
    assert!(facts.hardware.is_some() && facts.firewall.is_some());

    // Written anew with the same content, as dpkg does: a scan, but nothing to tell.
    let uploads = || {
        let count = std::cell::Cell::new(0);
        edge.heard(|body| -> Option<()> {
            use agent_message::Body::{Applicability, Manifest, ManifestDelta};
            if matches!(body, Manifest(_) | ManifestDelta(_) | Applicability(_)) {
                count.set(count.get() + 1);
            }
            None
        });
        count.get()
    };
    let told = until(|| async { Some(uploads()).filter(|count| *count >= 2) }).await;
    let dpkg = root.join("var/lib/dpkg");
    std::fs::copy(dpkg.join("status"), dpkg.join("status-new")).expect("a copy");
    std::fs::rename(dpkg.join("status-new"), dpkg.join("status")).expect("renamed");
    let second = until(|| async { scanned().filter(|at| *at > first) }).await;
    assert_eq!(uploads(), told);

    // A package more: the change alone is told, without any wish of the edge.
    let package = environment.join("np-1.0.dist-info");
    std::fs::create_dir(&package).expect("a folder");
    std::fs::write(package.join("METADATA"), "Name: np\nVersion: 1.0\n").expect("a file");
    let delta = until(|| async {
        edge.heard(|body| match body {
            agent_message::Body::ManifestDelta(delta) => Some(delta.clone()),
            _ => None,
        })
    })
    .await;
    assert!(scanned().is_some_and(|at| at > second));
    let added: Vec<_> = delta
        .added
        .iter()
        .map(|one| (one.name.as_str(), one.arch.as_str()))
        .collect();
    assert_eq!((added, delta.removed.len()), (vec![("np", "")], 0));
    stop.cancel();
    running.await.expect("joins").expect("ends well");
}
