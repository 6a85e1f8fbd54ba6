//! Claiming a relay by code.

use crate::world::{World, code, key_and_request};
use netpatch_auth::{Claim, ClaimStart, ClaimState};
use netpatch_types::{ErrorCode, OrganizationId};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

async fn start(world: &World) -> (Claim, Vec<u8>) {
    let (key, csr_der) = key_and_request();
    let claim = world
        .auth
        .claim_start(ClaimStart {
            csr_der,
            model: "box".into(),
            serial: "SN1".into(),
            version: "1.2.3".into(),
        })
        .await
        .unwrap();
    (claim, key)
}

async fn customer(world: &World) -> (OrganizationId, netpatch_types::SiteId) {
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    (organization, site)
}

#[tokio::test]
async fn a_person_types_the_code_and_the_relay_gets_its_certificate() {
    let world = World::new().await;
    let (organization, site) = customer(&world).await;
    let (claim, key) = start(&world).await;
    let poll = async || world.auth.claim_poll(&claim.device_code).await;
    assert_eq!(poll().await.unwrap(), ClaimState::Pending);
    // As people type: in small letters, with a blank.
    let typed = claim.claim_code.to_lowercase().replace('-', " ");
    let ctx = world.person(organization);
    let seen = world.auth.claim_preview(&ctx, &typed).await.unwrap();
    let seen = seen.expect("the relay waits with this code");
    assert_eq!((seen.model.as_str(), seen.serial.as_str()), ("box", "SN1"));
    assert_eq!(
        seen.key_fingerprint,
        netpatch_tunnel::identity::key_fingerprint(&key).unwrap()
    );
    let taken = world
        .auth
        .claim_take(&ctx, site, &typed, "Office relay")
        .await
        .unwrap();
    assert_eq!(
        taken.key_fingerprint,
        netpatch_tunnel::identity::key_fingerprint(&key).unwrap()
    );
    let ClaimState::Taken {
        organization: owner,
        relay,
        site: at,
        certificate_der,
        ca_der,
    } = poll().await.unwrap()
    else {
        panic!("the relay still waits");
    };
    assert_eq!((owner, relay, at), (organization, taken.relay.id, site));
    let now = world.now().timestamp().cast_unsigned();
    let name = netpatch_tunnel::verify_identity(&certificate_der, &ca_der, now).unwrap();
    assert_eq!((name.organization, name.id), (organization, relay.0));
    // Once only.
    let seen = world.auth.claim_preview(&ctx, &claim.claim_code).await;
    assert_eq!(seen.unwrap(), None);
    assert_eq!(
        code(
            world
                .auth
                .claim_take(&ctx, site, &claim.claim_code, "again")
                .await
        ),
        ErrorCode::BadUserInput
    );
    assert_eq!(
        code(world.auth.claim_poll("npd_unknown").await),
        ErrorCode::NotFound
    );
}

#[tokio::test]
async fn of_two_people_at_once_one_gets_the_relay() {
    let world = World::new().await;
    let (organization, site) = customer(&world).await;
    let (other, elsewhere) = customer(&world).await;
    let (claim, _) = start(&world).await;
    let (one, two) = (world.person(organization), world.person(other));
    let take = |ctx, site| world.auth.claim_take(ctx, site, &claim.claim_code, "relay");
    let tries = [
        take(&one, site),
        take(&two, elsewhere),
        take(&one, site),
        take(&two, elsewhere),
    ];
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    // Who lost has no half a relay.
    let relays = world.count(organization, "relays").await + world.count(other, "relays").await;
    let certificates =
        world.count(organization, "certificates").await + world.count(other, "certificates").await;
    assert_eq!((relays, certificates), (1, 1));
}

#[tokio::test]
async fn five_wrong_codes_lock_an_account_for_ten_minutes() {
    let world = World::new().await;
    let (organization, site) = customer(&world).await;
    let (claim, _) = start(&world).await;
    let ctx = world.person(organization);
    let take = async |text: &str| world.auth.claim_take(&ctx, site, text, "relay").await;
    let wrong = if claim.claim_code == "BBBB-BBBB" {
        "CCCC-CCCC"
    } else {
        "BBBB-BBBB"
    };
    // At once, as a program would.
    let answers = futures::future::join_all((0..8).map(|_| take(wrong))).await;
    let codes: Vec<ErrorCode> = answers.into_iter().map(code).collect();
    let guessed = |wanted| codes.iter().filter(|found| **found == wanted).count();
    assert_eq!(
        (
            guessed(ErrorCode::BadUserInput),
            guessed(ErrorCode::Throttled)
        ),
        (5, 3)
    );
    assert_eq!(code(take(&claim.claim_code).await), ErrorCode::Throttled);
    // Looking is no way around it.
    let seen = world.auth.claim_preview(&ctx, &claim.claim_code).await;
    assert_eq!(code(seen), ErrorCode::Throttled);
    // Nor is another process of the platform, or this one after a restart.
    let restarted = world.restarted();
    let again = restarted.claim_preview(&ctx, &claim.claim_code).await;
    assert_eq!(code(again), ErrorCode::Throttled);
    // Others are free, of this organization and of others.
    let mut other = ctx.clone();
    other.actor.id = Uuid::from_u128(8);
    let answer = world.auth.claim_take(&other, site, wrong, "relay").await;
    assert_eq!(code(answer), ErrorCode::BadUserInput);
    world.pass(601);
    take(&claim.claim_code).await.unwrap();
}

#[tokio::test]
async fn a_claim_ends_after_fifteen_minutes() {
    let world = World::new().await;
    let (organization, site) = customer(&world).await;
    let (claim, _) = start(&world).await;
    world.pass(15 * 60);
    let ctx = world.person(organization);
    let answer = world
        .auth
        .claim_take(&ctx, site, &claim.claim_code, "relay")
        .await;
    assert_eq!(code(answer), ErrorCode::BadUserInput);
    assert_eq!(
        code(world.auth.claim_poll(&claim.device_code).await),
        ErrorCode::NotFound
    );
    let garbage = ClaimStart {
        csr_der: b"garbage".to_vec(),
        model: String::new(),
        serial: String::new(),
        version: String::new(),
    };
    assert_eq!(
        world.auth.claim_start(garbage).await.unwrap_err().path,
        ["csr"]
    );
}

#[tokio::test]
async fn right_codes_do_not_count() {
    let world = World::new().await;
    let (organization, _) = customer(&world).await;
    let (claim, _) = start(&world).await;
    let ctx = world.person(organization);
    for _ in 0..12 {
        let seen = world.auth.claim_preview(&ctx, &claim.claim_code).await;
        assert!(seen.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_machine_takes_a_broken_relays_place_and_the_old_one_is_out() {
    let world = World::new().await;
    let (organization, site) = customer(&world).await;
    let ctx = world.person(organization);
    let (first, old_key) = start(&world).await;
    let relay = world
        .auth
        .claim_take(&ctx, site, &first.claim_code, "Office relay")
        .await
        .unwrap()
        .relay;
    let certificate = async |claim: &Claim| {
        let taken = world.auth.claim_poll(&claim.device_code).await.unwrap();
        let ClaimState::Taken {
            certificate_der,
            relay,
            site,
            ..
        } = taken
        else {
            panic!("the relay still waits");
        };
        (certificate_der, relay, site)
    };
    let (old, _, _) = certificate(&first).await;
    let subject = netpatch_auth::Subject {
        organization,
        kind: netpatch_protocol::SubjectKind::Relay,
        id: relay.id.0,
    };
    let report = netpatch_auth::RelayReport {
        bytes_served: 700,
        sessions: 3,
        address: "relay.test:8443".into(),
        ..Default::default()
    };
    world
        .auth
        .relay_report(organization, relay.id, &report)
        .await
        .unwrap();
    let told = async |ctx: &netpatch_types::RequestContext, site| {
        world.auth.relay_addresses(ctx, site, 8).await.unwrap()
    };
    let elsewhere = world.site(organization, "Valley").await.id;
    let stranger = world.person(world.customer().await);
    assert_eq!(told(&ctx, relay.site).await, ["relay.test:8443"]);
    assert!(told(&ctx, elsewhere).await.is_empty());
    assert!(told(&stranger, relay.site).await.is_empty());
    let of_others = async |ctx: &netpatch_types::RequestContext, site| {
        let auth = &world.auth;
        auth.relay_addresses_elsewhere(ctx, site, 8).await.unwrap()
    };
    assert!(of_others(&ctx, relay.site).await.is_empty());
    assert_eq!(of_others(&ctx, elsewhere).await, ["relay.test:8443"]);
    assert!(of_others(&stranger, elsewhere).await.is_empty());

    // Not by a wrong code, nor by who may not, nor in another's site.
    let (second, new_key) = start(&world).await;
    let replace = async |ctx: &netpatch_types::RequestContext, code: &str| {
        world.auth.claim_replace(ctx, relay.id, code).await
    };
    let mut narrow = ctx.clone();
    narrow.sites = Some(vec![world.site(organization, "Hill").await.id]);
    let mut unable = ctx.clone();
    unable.permissions.clear();
    let used = replace(&ctx, &first.claim_code).await;
    assert_eq!(code(used), ErrorCode::BadUserInput);
    let foreign = replace(&narrow, &second.claim_code).await;
    assert_eq!(code(foreign), ErrorCode::NotFound);
    let forbidden = replace(&unable, &second.claim_code).await;
    assert_eq!(code(forbidden), ErrorCode::Forbidden);
    let live = world.auth.certificate_live(subject, &old).await;
    live.expect("the old relay works until it is replaced");

    let taken = replace(&ctx, &second.claim_code).await.unwrap();
    let fingerprint = |key: &[u8]| netpatch_tunnel::identity::key_fingerprint(key).unwrap();
    assert_eq!(taken.key_fingerprint, fingerprint(&new_key));
    let now = taken.relay;
    assert_eq!(
        (now.id, now.site, now.name.as_str(), now.bytes_served),
        (relay.id, site, "Office relay", 700)
    );
    assert_eq!((now.sessions, now.cache_bytes), (0, 0));
    let (new, id, at) = certificate(&second).await;
    assert_eq!((id, at), (relay.id, site));
    let live = world.auth.certificate_live(subject, &new).await;
    live.unwrap();
    // The old machine: refused, and does not renew itself back in.
    let live = world.auth.certificate_live(subject, &old).await;
    assert_eq!(code(live), ErrorCode::Unauthenticated);
    let request = netpatch_tunnel::identity::certificate_request(&old_key).unwrap();
    let signature = netpatch_proof::Signer::sign(
        &netpatch_proof::P256Signer::from_pkcs8_der(&old_key).unwrap(),
        &netpatch_protocol::counter::renewal_bytes(&request),
    );
    let renewed = world
        .auth
        .certificate_renew_expired(&old, &request, &signature.unwrap())
        .await;
    assert_eq!(code(renewed), ErrorCode::Unauthenticated);
    assert_eq!(world.count(organization, "relays").await, 1);
}

#[tokio::test]
async fn who_asks_for_codes_without_end_is_refused_and_they_go_when_they_end() {
    let world = World::new().await;
    let (organization, _) = customer(&world).await;
    let ends = world.now() + chrono::Duration::minutes(15);
    let waiting = format!(
        "insert into identity.claims (device_hash, code_hash, csr, model, serial, version, expires_at)
         select sha256(('device ' || n)::bytea), sha256(('code ' || n)::bytea), '', '', '', '', '{}'
         from generate_series(1, 20000) n",
        ends.to_rfc3339()
    );
    let admin = sea_orm::Database::connect(world.test.admin_url());
    let admin = admin.await.unwrap();
    admin.execute_unprepared(&waiting).await.unwrap();
    admin.close().await.unwrap();
    let (_, csr_der) = key_and_request();
    let one_more = ClaimStart {
        csr_der,
        model: String::new(),
        serial: String::new(),
        version: String::new(),
    };
    let refused = world.auth.claim_start(one_more).await;
    assert_eq!(code(refused), ErrorCode::UpstreamUnavailable);
    world.pass(15 * 60 + 1);
    let (claim, _) = start(&world).await;
    let seen = world
        .auth
        .claim_preview(&world.person(organization), &claim.claim_code)
        .await;
    assert!(seen.unwrap().is_some());
}
