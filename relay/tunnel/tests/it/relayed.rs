use crate::world::*;
use netpatch_protocol::SubjectKind::{Host, Relay as RelayKind};
use netpatch_protocol::site::{SiteRequest, SiteSettings, stream_open};
use netpatch_tunnel::{CarrierKind, RelayUplink, SessionEvent};
use prost::Message as _;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[tokio::test]
async fn a_relay_carries_a_session_and_sees_ciphertext_only() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
    let host = organization.identity(Host);
    let candidates = vec![via(relay.address, &organization, &host)];
    let mut session = agent(candidates, &host, platform.trust());
    let SessionEvent::Up { carrier, welcome } = next(&mut session).await else {
        panic!("not up");
    };
    assert_eq!(carrier, CarrierKind::Relay);

    let marker = "plaintext-marker-".repeat(8);
    session.handle().send(facts(&marker)).expect("room");
    assert_eq!(next_reason(&mut session).await, marker);
    assert_eq!(*edge.seen.hostnames.lock().unwrap(), [marker]);

    let captured = relay.captured.lock().unwrap();
    assert!(captured.len() > 2000, "{} bytes captured", captured.len());
    assert!(!contains(&captured, b"plaintext-marker"));
    assert!(!contains(&captured, &welcome.resume_id));
    assert!(!contains(&captured, &host.certificate[..64]));
}

#[tokio::test]
async fn an_impostor_of_the_edge_behind_a_relay_is_refused() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let impostor = Authority::new();
    let edge = Edge::start(&impostor, &organization);
    let relay = Relay::start(loopback(), edge.address, &impostor, &organization).await;
    let host = organization.identity(Host);
    let candidates = vec![via(relay.address, &organization, &host)];
    let mut session = agent(candidates, &host, platform.trust());
    next_down(&mut session).await;
    assert!(edge.seen.hostnames.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_strangers_host_is_refused_by_the_relay() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let relay = Relay::start(loopback(), edge.address, &platform, &organization).await;
    let stranger = Authority::new().identity(Host);
    let candidates = vec![via(relay.address, &organization, &stranger)];
    let mut session = agent(candidates, &stranger, platform.trust());
    next_down(&mut session).await;
    assert!(relay.captured.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_relay_gets_its_settings_and_a_stranger_gets_nothing() {
    let (platform, organization) = (Authority::new(), Authority::new());
    let edge = Edge::start(&platform, &organization);
    let to = edge.address.to_string().into();
    let ask = async |identity| {
        let uplink =
            RelayUplink::connect(&to, platform.trust(), &identity, &clock(), limits()).await?;
        uplink.open(stream_open::Kind::Site(SiteRequest {})).await
    };
    let (answer, _) = ask(organization.identity(RelayKind))
        .await
        .expect("admitted");
    let settings = SiteSettings::decode(answer.body.as_slice()).expect("settings");
    assert_eq!(settings.site_id, "site");
    assert!(ask(Authority::new().identity(RelayKind)).await.is_err());
}
