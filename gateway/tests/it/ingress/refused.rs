//! Relays are told whom they turn away.

use super::world::*;
use netpatch_gateway::ingress::standing_changed;
use netpatch_protocol::SubjectKind;
use netpatch_protocol::refused::{MAX_CERTIFICATES, Refused};
use netpatch_protocol::site::{RefusedHosts, RefusedRequest, SiteRequest, stream_open};
use netpatch_tunnel::message::receive_one;
use netpatch_tunnel::{LinkStream, RelayUplink, TunnelError};
use netpatch_types::{OrganizationId, Sha256};
use std::time::Duration;

const NEVER: Duration = Duration::from_secs(3600);

async fn connect(world: &World) -> RelayUplink {
    let relay = world.organization.holder(SubjectKind::Relay);
    let to = world.address.to_string().as_str().into();
    let clock = clock();
    let link = RelayUplink::connect(&to, world.trust(), &relay.tls, &clock, limits());
    link.await.expect("connected")
}

/// A relay that holds to a list asks.
async fn ask(link: &RelayUplink, list: &[u8]) -> Result<LinkStream, TunnelError> {
    let list = list.to_vec();
    let kind = stream_open::Kind::Refused(RefusedRequest { list });
    Ok(link.open(kind).await?.1)
}

async fn told(stream: &mut LinkStream) -> (RefusedHosts, Refused) {
    let told = tokio::time::timeout(Duration::from_secs(15), receive_one(stream));
    let list: RefusedHosts = told.await.expect("in time").expect("told");
    let read = list.read().expect("whole");
    (list, read)
}

fn certificate(n: usize) -> Sha256 {
    Sha256::of(&n.to_be_bytes())
}

#[tokio::test]
async fn a_relay_hears_at_once_of_a_host_that_is_not_admitted_any_more_and_again_when_it_is() {
    let world = World::start_with(|options| options.look_every = NEVER).await;
    let link = connect(&world).await;
    let mut stream = ask(&link, &[]).await.expect("told");
    let (nobody, read) = told(&mut stream).await;
    assert_eq!(read, Refused::default());

    let (revoked, forked) = (world.host(), world.host());
    let script = || world.played.script.lock().unwrap();
    script().revoked_certificates.push(certificate(1));
    standing_changed(&*world.bus, revoked.name).await;
    let (_, read) = told(&mut stream).await;
    assert_eq!(read.certificates, [certificate(1)].into());
    assert!(read.hosts.is_empty());
    script().quarantined.insert(forked.host());
    standing_changed(&*world.bus, forked.name).await;
    let (both, read) = told(&mut stream).await;
    assert_eq!(read.hosts, [forked.host()].into());
    assert_eq!(read.certificates, [certificate(1)].into());

    // Who holds to the list already, after a restart, is told when it changes; who holds to another one, at once.
    let again = connect(&world).await;
    let mut current = ask(&again, &both.list).await.expect("told");
    let late = connect(&world).await;
    let mut other = ask(&late, &nobody.list).await.expect("told");
    assert_eq!(told(&mut other).await.0, both);
    script().quarantined.clear();
    standing_changed(&*world.bus, forked.name).await;
    for stream in [&mut stream, &mut current, &mut other] {
        let (_, read) = told(stream).await;
        assert!(read.hosts.is_empty());
        assert_eq!(read.certificates, [certificate(1)].into());
    }
}

#[tokio::test]
async fn a_hint_about_somebody_else_has_nobody_looked_at() {
    let world = World::start_with(|options| options.look_every = NEVER).await;
    let link = connect(&world).await;
    let mut stream = ask(&link, &[]).await.expect("told");
    told(&mut stream).await;
    let looks = || world.played.script.lock().unwrap().not_admitted_asked;
    let (before, host) = (looks(), world.host());
    let mut others = [host.name; 2];
    others[0].organization = OrganizationId(host.name.id);
    others[1].kind = SubjectKind::Relay;
    for other in others {
        standing_changed(&*world.bus, other).await;
    }
    // What is told later in the same order has been heard.
    let script = || world.played.script.lock().unwrap();
    script().quarantined.insert(host.host());
    standing_changed(&*world.bus, host.name).await;
    told(&mut stream).await;
    assert_eq!(looks(), before + 1);
}

#[tokio::test]
async fn a_lost_hint_and_an_outage_are_made_up_for() {
    let often = |options: &mut netpatch_gateway::ingress::Options| {
        options.look_every = Duration::from_millis(50);
    };
    let world = World::start_with(often).await;
    let script = || world.played.script.lock().unwrap();
    let link = connect(&world).await;
    link.open(stream_open::Kind::Site(SiteRequest {}))
        .await
        .expect("let in");
    script().outages = 1;
    let mut stream = ask(&link, &[]).await.expect("told");
    told(&mut stream).await;
    script().revoked_certificates.push(certificate(1));
    let (_, read) = told(&mut stream).await;
    assert_eq!(read.certificates, [certificate(1)].into());
}

#[tokio::test]
async fn of_more_than_fit_the_last_ones_are_told() {
    let world = World::start().await;
    let all = (0..=MAX_CERTIFICATES).map(certificate).collect();
    world.played.script.lock().unwrap().revoked_certificates = all;
    let link = connect(&world).await;
    let mut stream = ask(&link, &[]).await.expect("told");
    let (list, read) = told(&mut stream).await;
    assert!(list.is_cut);
    assert_eq!(read.certificates.len(), MAX_CERTIFICATES);
    assert!(read.certificates.contains(&certificate(0)));
    assert!(!read.certificates.contains(&certificate(MAX_CERTIFICATES)));
}

#[tokio::test]
async fn a_relay_is_told_on_one_stream_and_a_host_on_none() {
    let world = World::start().await;
    let link = connect(&world).await;
    let mut first = ask(&link, &[]).await.expect("told");
    told(&mut first).await;
    let refused = ask(&link, &[]).await.err().expect("a second one");
    assert!(
        matches!(refused, TunnelError::Refused { status: 429, .. }),
        "{refused}"
    );
    // When the first has ended, there is room for another.
    drop(first);
    let again = async {
        loop {
            if let Ok(stream) = ask(&link, &[]).await {
                break stream;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(15), again).await;
    told(&mut again.expect("in time")).await;

    let looks = world.played.script.lock().unwrap().not_admitted_asked;
    let (to, clock) = (world.address.to_string().as_str().into(), clock());
    for stranger in [Authority::new().holder(SubjectKind::Relay), world.host()] {
        let asked = async {
            let link = RelayUplink::connect(&to, world.trust(), &stranger.tls, &clock, limits());
            ask(&link.await?, &[]).await
        };
        assert!(asked.await.is_err());
    }
    let now = world.played.script.lock().unwrap().not_admitted_asked;
    assert_eq!(now, looks);
}
