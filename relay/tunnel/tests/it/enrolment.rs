use crate::world::*;
use netpatch_protocol::enrol::{
    EnrolAnswer, EnrolRequest, Enrolled, HostEnrolment, enrol_answer, enrol_request,
};
use netpatch_protocol::site::StreamAnswer;
use netpatch_tunnel::EnrolConnection;
use netpatch_tunnel::enrol::{EnrolTarget, enrol};

/// The edge's part: echoes the secret as the site's id.
pub(crate) async fn answer(mut enrolment: EnrolConnection) {
    let Ok(request) = enrolment.request().await else {
        return;
    };
    let Some(enrol_request::Body::Host(host)) = request.body else {
        return;
    };
    let enrolled = Enrolled {
        organization_id: enrolment.through_relay.to_string(),
        site_id: host.secret,
        ..Enrolled::default()
    };
    let body = Some(enrol_answer::Body::Enrolled(enrolled));
    let _ = enrolment.answer(&EnrolAnswer { body }).await;
}

pub(crate) fn request() -> EnrolRequest {
    EnrolRequest {
        protocol: 1,
        body: Some(enrol_request::Body::Host(HostEnrolment {
            secret: "a-secret-of-the-token".into(),
            ..HostEnrolment::default()
        })),
    }
}

fn enrolled(answer: EnrolAnswer) -> (String, String) {
    match answer.body {
        Some(enrol_answer::Body::Enrolled(enrolled)) => {
            (enrolled.organization_id, enrolled.site_id)
        }
        other => panic!("not enrolled: {other:?}"),
    }
}

#[tokio::test]
async fn a_host_enrols_directly_and_through_a_relay_that_cannot_read_the_secret() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
    works(&edge, &relay, &platform).await;
}

/// Directly and through the relay, which cannot read the secret.
pub(crate) async fn works(edge: &Edge, relay: &Relay, platform: &Authority) {
    let trust = platform.fingerprint();
    let ask = async |target| enrol(&target, &trust, &request(), &clock(), &limits()).await;
    let secret = "a-secret-of-the-token".to_owned();

    let straight = ask(EnrolTarget::Edge(edge.address.to_string().into())).await;
    assert_eq!(
        enrolled(straight.expect("answered")),
        ("false".to_owned(), secret.clone())
    );
    let relayed = ask(EnrolTarget::Relay(relay.address.to_string())).await;
    assert_eq!(
        enrolled(relayed.expect("answered")),
        ("true".to_owned(), secret.clone())
    );
    let captured = relay.captured.lock().unwrap();
    assert!(captured.len() > 500);
    assert!(
        !captured
            .windows(secret.len())
            .any(|w| w == secret.as_bytes())
    );
}

#[tokio::test]
async fn a_platform_with_another_root_never_sees_the_secret() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let other = Authority::new();
    let edge = Edge::start(&other, &organization);
    let relay = Relay::start(loopback(), edge.address, &other, &organization).await;
    for target in [
        EnrolTarget::Edge(edge.address.to_string().into()),
        EnrolTarget::Relay(relay.address.to_string()),
    ] {
        let trust = platform.fingerprint();
        let refused = enrol(&target, &trust, &request(), &clock(), &limits()).await;
        let error = refused.expect_err("refused").to_string();
        assert!(
            error.contains("certificate") || error.contains("UnknownIssuer"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_stream_answer_is_bounded() {
    let mut wire = std::io::Cursor::new(vec![0xff; 64]);
    let read = netpatch_tunnel::message::receive_one::<StreamAnswer>(&mut wire).await;
    assert!(read.expect_err("refused").to_string().contains("larger"));
}
