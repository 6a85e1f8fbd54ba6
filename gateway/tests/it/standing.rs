//! What ends a right is told to the edges.

use crate::world::World;
use futures::{FutureExt as _, StreamExt as _};
use netpatch_auth::{ClaimStart, Role, SiteCreate};
use netpatch_gateway::ingress::STANDING_TOPIC;
use netpatch_protocol::{IdentityName, SubjectKind};
use netpatch_storage::bus::Hints;
use netpatch_tunnel::identity::{certificate_request, generate_key};
use serde_json::{Value, json};
use std::time::Duration;

/// A machine that waits for a person; the code that it shows.
async fn shown(world: &World) -> String {
    let start = ClaimStart {
        csr_der: certificate_request(&generate_key().unwrap()).unwrap(),
        model: "box".into(),
        serial: "1".into(),
        version: "1.0.0".into(),
    };
    world.auth.claim_start(start).await.unwrap().claim_code
}

async fn told(hints: &mut Hints) -> IdentityName {
    let hint = tokio::time::timeout(Duration::from_secs(10), hints.next()).await;
    let hint = hint.expect("the edges are told").unwrap();
    String::from_utf8(hint).unwrap().parse().unwrap()
}

#[tokio::test]
async fn edges_are_told_whose_right_a_person_ended_also_when_it_is_said_again() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let ctx = world.system(world.own);
    let create = SiteCreate {
        name: "Harbour".into(),
        time_zone: "UTC".into(),
        direct_allowed: true,
        upstreams: Vec::new(),
    };
    let site = world.auth.site_create(&ctx, create).await.unwrap().id;
    let mut hints = world.state.apis().bus.subscribe(STANDING_TOPIC).await;
    let ask = async |field: &str, selection: &str, input: Value| {
        let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let kind = if field.ends_with("Revoke") {
            "RevokeInput"
        } else {
            &kind
        };
        let query = format!(
            "mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} userErrors {{ message }} }} }}"
        );
        let answer = world.ask(&token, &query, json!({"input": input})).await;
        let answer = answer.json()["data"][field].clone();
        assert_eq!(answer["userErrors"], json!([]), "{answer}");
        answer
    };
    let claim = json!({
        "organizationId": world.id(world.own), "siteId": site.public(world.own),
        "claimCode": shown(&world).await, "name": "relay", "idempotencyKey": "1",
    });
    let relay = ask("relayClaim", "relay { id }", claim).await["relay"]["id"].clone();
    let id = world.auth.relay_list(&ctx).await.unwrap()[0].id.0;
    let relay_name = IdentityName {
        organization: world.own,
        kind: SubjectKind::Relay,
        id,
    };
    let code = shown(&world).await;
    let replace = json!({"id": relay, "claimCode": code, "idempotencyKey": "2"});
    let revoke =
        |id: &Value, key: &str| json!({"id": id, "reason": "stolen", "idempotencyKey": key});
    ask("relayReplace", "relay { id }", replace).await;
    assert_eq!(told(&mut hints).await, relay_name);
    for _ in 0..2 {
        ask("relayRevoke", "relay { id }", revoke(&relay, "3")).await;
        assert_eq!(told(&mut hints).await, relay_name);
    }
    let host = json!(crate::tenancy::public("host", world.own));
    ask("hostRevoke", "host { id }", revoke(&host, "4")).await;
    let named = told(&mut hints).await;
    assert_eq!(
        (named.organization, named.kind),
        (world.own, SubjectKind::Host)
    );
    // And whose came back; a change of something else is no hint.
    let labels = json!([{"key": "ring", "value": "canary"}]);
    let change = json!({"id": host, "labels": labels, "idempotencyKey": "5"});
    ask("hostUpdate", "host { id }", change).await;
    let release = json!({"id": host, "releaseQuarantine": true, "idempotencyKey": "6"});
    ask("hostUpdate", "host { id }", release).await;
    assert_eq!(told(&mut hints).await, named);
    assert!(hints.next().now_or_never().is_none(), "nothing else");
}
