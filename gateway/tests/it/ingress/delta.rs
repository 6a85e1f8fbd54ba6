//! Differences on a relay's connection.

use super::world::{World, clock, limits};
use netpatch_protocol::SubjectKind;
use netpatch_protocol::site::{DeltaBase, DeltaFound, DeltaRequest, stream_open};
use netpatch_tunnel::{RelayUplink, TunnelError};
use prost::Message as _;
use tokio::io::AsyncReadExt as _;

fn request(sha256: Vec<u8>) -> stream_open::Kind {
    stream_open::Kind::Delta(DeltaRequest {
        sha256,
        bases: vec![DeltaBase {
            sha256: vec![1; 32],
            ..DeltaBase::default()
        }],
        ..DeltaRequest::default()
    })
}

async fn connect(world: &World) -> RelayUplink {
    let relay = world.organization.holder(SubjectKind::Relay);
    let to = world.address.to_string();
    let link =
        RelayUplink::connect(&to.into(), world.trust(), &relay.tls, &clock(), limits()).await;
    link.expect("connected")
}

#[tokio::test]
async fn a_recipe_follows_the_answer_and_what_is_not_there_is_said_at_once() {
    let world = World::start().await;
    let link = connect(&world).await;
    let wanted = vec![2; 32];
    let (answer, mut stream) = link.open(request(wanted.clone())).await.expect("there");
    let found = DeltaFound::decode(answer.body.as_slice()).unwrap();
    assert_eq!((found.base, found.sha256), (vec![1; 32], wanted));
    let mut recipe = Vec::new();
    stream.read_to_end(&mut recipe).await.expect("whole");
    assert_eq!(answer.size_bytes, recipe.len() as u64);
    assert!(recipe == vec![7; 3_000_000]);
    let Err(refused) = link.open(request(Vec::new())).await else {
        panic!("a difference from nowhere");
    };
    assert!(
        matches!(refused, TunnelError::Refused { status: 404, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn without_a_free_place_a_relay_is_told_at_once() {
    let world = World::start_with(|options| options.deltas = 0).await;
    let link = connect(&world).await;
    let Err(refused) = link.open(request(vec![2; 32])).await else {
        panic!("more at once than there are places");
    };
    assert!(
        matches!(refused, TunnelError::Refused { status: 503, .. }),
        "{refused}"
    );
}
