use super::world::*;
use netpatch_gateway::throttle::Rate;
use netpatch_protocol::SubjectKind;
use netpatch_protocol::enrol::{
    EnrolRequest, HostEnrolment, RelayClaimPoll, RelayClaimStart, enrol_answer, enrol_request,
};
use netpatch_protocol::site::{
    ProbePlan, ProbeRequest, ProbeResults, ProbedHost, RelayReport, SiteRequest, SiteSettings,
    stream_open,
};
use netpatch_tunnel::RelayUplink;
use netpatch_tunnel::enrol::{EnrolTarget, enrol};
use prost::Message as _;

async fn ask(
    world: &World,
    protocol: u32,
    body: Option<enrol_request::Body>,
) -> enrol_answer::Body {
    let target = EnrolTarget::Edge(world.address.to_string().into());
    let request = EnrolRequest { protocol, body };
    let answer = enrol(&target, &world.trust(), &request, &clock(), &limits()).await;
    answer.expect("answered").body.expect("a body")
}

fn host(secret: &str) -> Option<enrol_request::Body> {
    Some(enrol_request::Body::Host(HostEnrolment {
        secret: secret.into(),
        ..HostEnrolment::default()
    }))
}

fn code(body: enrol_answer::Body) -> String {
    match body {
        enrol_answer::Body::Error(error) => error.code,
        other => panic!("no error: {other:?}"),
    }
}

#[tokio::test]
async fn requests_find_their_way_and_wrong_ones_an_error() {
    let world = World::start().await;
    let enrol_answer::Body::Enrolled(enrolled) = ask(&world, 1, host("a-good-token")).await else {
        panic!("not enrolled");
    };
    assert_eq!(enrolled.site_id, "a-site");
    assert_eq!(
        code(ask(&world, 1, host("a-wrong-token")).await),
        "UNAUTHENTICATED"
    );
    assert_eq!(
        code(ask(&world, 9, host("a-good-token")).await),
        "BAD_USER_INPUT"
    );
    assert_eq!(code(ask(&world, 1, None).await), "BAD_USER_INPUT");
    let start = enrol_request::Body::RelayStart(RelayClaimStart::default());
    assert!(matches!(
        ask(&world, 1, Some(start)).await,
        enrol_answer::Body::Claim(_)
    ));
    let poll = |device_code: &str| {
        Some(enrol_request::Body::RelayPoll(RelayClaimPoll {
            device_code: device_code.into(),
        }))
    };
    assert!(matches!(
        ask(&world, 1, poll("waiting")).await,
        enrol_answer::Body::Pending(_)
    ));
    assert!(matches!(
        ask(&world, 1, poll("taken")).await,
        enrol_answer::Body::Enrolled(_)
    ));
}

#[tokio::test]
async fn guessing_is_slow() {
    let rate = Rate {
        maximum: 3,
        restore_rate: 0,
    };
    let world = World::start_with(|options| options.enrolments = rate).await;
    for _ in 0..3 {
        assert_eq!(
            code(ask(&world, 1, host("a-guess")).await),
            "UNAUTHENTICATED"
        );
    }
    assert_eq!(
        code(ask(&world, 1, host("a-good-token")).await),
        "THROTTLED"
    );
}

#[tokio::test]
async fn a_relay_reports_and_hears_and_a_stranger_or_host_does_not() {
    let world = World::start().await;
    let connect = async |holder: &Holder| {
        let to = world.address.to_string();
        RelayUplink::connect(
            &to.as_str().into(),
            world.trust(),
            &holder.tls,
            &clock(),
            limits(),
        )
        .await
    };
    let relay = world.organization.holder(SubjectKind::Relay);
    let link = connect(&relay).await.expect("connected");
    let report = RelayReport {
        hits: 7,
        ..RelayReport::default()
    };
    link.open(stream_open::Kind::Report(report))
        .await
        .expect("taken");
    let (answer, _) = link
        .open(stream_open::Kind::Site(SiteRequest {}))
        .await
        .expect("answered");
    let settings = SiteSettings::decode(answer.body.as_slice()).unwrap();
    assert_eq!(settings.site_id, relay.name.id.to_string());
    assert_eq!(world.played.script.lock().unwrap().reports[0].hits, 7);
    let hosts = vec![world.host().name.id.to_string()];
    let request = ProbeRequest {
        hosts: hosts.clone(),
    };
    let (answer, _) = link
        .open(stream_open::Kind::Probe(request))
        .await
        .expect("answered");
    let plan = ProbePlan::decode(answer.body.as_slice()).unwrap();
    assert_eq!(plan.hosts[0].host_id, hosts[0]);
    let results = ProbeResults {
        hosts: vec![ProbedHost {
            host_id: hosts[0].clone(),
            ..ProbedHost::default()
        }],
    };
    link.open(stream_open::Kind::Probed(results.clone()))
        .await
        .expect("taken");
    assert_eq!(world.played.script.lock().unwrap().probed, [results]);

    for stranger in [Authority::new().holder(SubjectKind::Relay), world.host()] {
        let refused = async {
            let link = connect(&stranger).await?;
            let lie = stream_open::Kind::Probed(ProbeResults::default());
            assert!(link.open(lie).await.is_err());
            link.open(stream_open::Kind::Site(SiteRequest {})).await
        };
        assert!(refused.await.is_err());
    }
    let script = world.played.script.lock().unwrap();
    assert_eq!((script.reports.len(), script.probed.len()), (1, 1));
}

#[tokio::test]
async fn a_relay_that_is_revoked_does_not_stay() {
    let every = std::time::Duration::from_millis(20);
    let world = World::start_with(|options| options.look_every = every).await;
    let relay = world.organization.holder(SubjectKind::Relay);
    let to = world.address.to_string().as_str().into();
    let clock = clock();
    let link = RelayUplink::connect(&to, world.trust(), &relay.tls, &clock, limits());
    let link = link.await.expect("connected");
    let ask = async || link.open(stream_open::Kind::Site(SiteRequest {})).await;
    world
        .until("looks at the relay", |script| script.looks >= 3)
        .await;
    ask().await.expect("looked at again and found good");
    world.played.script.lock().unwrap().revoked = true;
    let reason = link.closed().await.to_string();
    assert!(reason.contains("revoked"), "{reason}");
    assert!(ask().await.is_err(), "gone");
}
