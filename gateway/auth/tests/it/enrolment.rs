//! Enrolment tokens.

use crate::world::{World, code, key_and_request};
use netpatch_auth::{EnrolmentToken, EnrolmentTokenCreate};
use netpatch_types::{ErrorCode, HostId, Labels, OrganizationId, SiteId};

fn create(site: SiteId, max_uses: u32, for_relay: bool) -> EnrolmentTokenCreate {
    EnrolmentTokenCreate {
        site,
        labels: Labels::default(),
        for_relay,
        max_uses,
        ttl_seconds: 3600,
    }
}

/// A token and its secret, read from the text as an agent would.
async fn token(
    world: &World,
    organization: OrganizationId,
    create: EnrolmentTokenCreate,
) -> (EnrolmentToken, String) {
    let (token, text) = world
        .auth
        .enrolment_token_create(&world.person(organization), create)
        .await
        .unwrap();
    let file: netpatch_protocol::EnrolmentToken = text.parse().unwrap();
    assert_eq!(
        file.platform_root,
        world.auth.platform_fingerprint().unwrap()
    );
    (token, file.secret)
}

/// The secret of a relay's token.
pub(crate) async fn relay_token(
    world: &World,
    organization: OrganizationId,
    site: SiteId,
) -> String {
    token(world, organization, create(site, 1, true)).await.1
}

#[tokio::test]
async fn a_token_works_for_its_purpose_as_often_as_it_says_until_it_ends() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let consume = async |secret: &str| world.auth.token_consume(secret).await;
    let (_, request) = key_and_request();
    let relay = async |secret: &str| {
        let joined = world.auth.relay_enrol(secret, "box", "", "1", &request);
        joined.await.map(drop)
    };
    let (made, secret) = token(&world, organization, create(site, 2, false)).await;

    let unknown = consume("unknown-secret-0").await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::Unauthenticated);
    // For a relay it is no token at all.
    assert_eq!(relay(&secret).await.unwrap_err(), unknown);
    assert_eq!(relay("unknown-secret-0").await.unwrap_err(), unknown);
    let grant = consume(&secret).await.unwrap();
    assert_eq!(
        (grant.organization, grant.site, grant.token),
        (organization, site, made.id)
    );
    consume(&secret).await.unwrap();
    assert_eq!(consume(&secret).await.unwrap_err(), unknown);
    // A failed enrolment gives its use back.
    world.auth.token_release(&grant).await.unwrap();
    consume(&secret).await.unwrap();
    assert_eq!(consume(&secret).await.unwrap_err(), unknown);
    let listed = world
        .auth
        .enrolment_token_list(&world.person(organization))
        .await
        .unwrap();
    assert_eq!((listed[0].uses, listed[0].max_uses), (2, 2));

    let (_, expiring) = token(&world, organization, create(site, 2, false)).await;
    world.pass(3600);
    assert_eq!(consume(&expiring).await.unwrap_err(), unknown);
    let (made, revoked) = token(&world, organization, create(site, 2, false)).await;
    let ctx = world.person(organization);
    let after = world
        .auth
        .enrolment_token_revoke(&ctx, made.id)
        .await
        .unwrap();
    assert!(after.revoked);
    assert_eq!(consume(&revoked).await.unwrap_err(), unknown);
    let (_, for_relay) = token(&world, organization, create(site, 1, true)).await;
    assert_eq!(consume(&for_relay).await.unwrap_err(), unknown);
    relay(&for_relay).await.unwrap();
}

#[tokio::test]
async fn the_last_use_goes_to_one() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let (_, secret) = token(&world, organization, create(site, 3, false)).await;
    let tries = (0..8).map(|_| world.auth.token_consume(&secret));
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
}

#[tokio::test]
async fn limits_and_sites_are_checked() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let other = world.site(organization, "Hill").await.id;
    let ctx = world.person(organization);
    let make = async |ctx, create| world.auth.enrolment_token_create(ctx, create).await;
    let field = async |create| make(&ctx, create).await.unwrap_err().path;
    assert_eq!(field(create(site, 0, false)).await, ["maxUses"]);
    assert_eq!(field(create(site, 10_001, false)).await, ["maxUses"]);
    assert_eq!(field(create(site, 2, true)).await, ["maxUses"]);
    for ttl_seconds in [59, 30 * 86_400 + 1] {
        let create = EnrolmentTokenCreate {
            ttl_seconds,
            ..create(site, 1, false)
        };
        assert_eq!(field(create).await, ["ttlSeconds"]);
    }
    // Somebody of one site sees and ends that site's tokens only.
    let mut narrow = ctx.clone();
    narrow.sites = Some(vec![other]);
    let (foreign, _) = token(&world, organization, create(site, 1, false)).await;
    assert_eq!(
        code(make(&narrow, create(site, 1, false)).await),
        ErrorCode::NotFound
    );
    let (own, _) = make(&narrow, create(other, 1, false)).await.unwrap();
    let listed = world.auth.enrolment_token_list(&narrow).await.unwrap();
    assert_eq!(listed, [own]);
    assert_eq!(
        code(world.auth.enrolment_token_revoke(&narrow, foreign.id).await),
        ErrorCode::NotFound
    );
    let listed = world.auth.enrolment_token_list(&ctx).await.unwrap();
    assert!(listed.iter().all(|token| !token.revoked));
    let mut unable = ctx.clone();
    unable.permissions.clear();
    assert_eq!(
        code(make(&unable, create(site, 1, false)).await),
        ErrorCode::Forbidden
    );
}

#[tokio::test]
async fn a_relay_joins_with_its_token() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let secret = relay_token(&world, organization, site).await;
    let (key, request) = key_and_request();
    let (id, issued) = world
        .auth
        .relay_enrol(&secret, "box", "SN1", "1.2.3", &request)
        .await
        .unwrap();
    let relay = world
        .auth
        .relay_get(&world.person(organization), id)
        .await
        .unwrap();
    assert_eq!(
        (relay.site, relay.name.as_str(), relay.id.0),
        (site, "relay SN1", issued.subject.id)
    );
    assert_eq!(
        relay.key_fingerprint,
        netpatch_tunnel::identity::key_fingerprint(&key).unwrap()
    );
    let host = HostId::new(world.now());
    let (_, request) = key_and_request();
    let issued = world
        .auth
        .host_enrol(organization, host, &request)
        .await
        .unwrap();
    assert_eq!(issued.subject.id, host.0);
    world
        .auth
        .certificate_live(issued.subject, &issued.certificate_der)
        .await
        .unwrap();
}

#[tokio::test]
async fn of_relays_that_race_with_one_token_one_joins() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let secret = relay_token(&world, organization, site).await;
    let requests: Vec<Vec<u8>> = (0..6).map(|_| key_and_request().1).collect();
    let join = |request: &Vec<u8>| {
        let (auth, secret, request) = (world.auth.clone(), secret.clone(), request.clone());
        async move { auth.relay_enrol(&secret, "box", "SN", "1", &request).await }
    };
    let answers = futures::future::join_all(requests.iter().map(join)).await;
    let refused: Vec<_> = answers
        .iter()
        .filter_map(|one| one.as_ref().err())
        .collect();
    assert_eq!(refused.len(), 5, "one of six joins");
    assert!(
        refused
            .iter()
            .all(|error| error.code == ErrorCode::Unauthenticated)
    );
    assert_eq!(world.count(organization, "relays").await, 1);
    assert_eq!(world.count(organization, "certificates").await, 1);
}

#[tokio::test]
async fn who_lost_the_answer_asks_again_with_the_same_key_and_is_the_same_relay() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let secret = relay_token(&world, organization, site).await;
    let (_, request) = key_and_request();
    let join = async |request: &[u8]| {
        let joined = world.auth.relay_enrol(&secret, "box", "SN", "1", request);
        joined.await
    };
    // What cannot be a relay uses nothing up.
    assert_eq!(join(b"garbage").await.unwrap_err().path, ["csr"]);
    // At once too, as when a relay gives up waiting and asks again.
    let twice = futures::future::join_all([join(&request), join(&request)]).await;
    let [(first, _), (second, issued)] = &twice
        .into_iter()
        .map(|joined| joined.unwrap())
        .collect::<Vec<_>>()[..]
    else {
        panic!("two answers");
    };
    assert_eq!(first, second);
    let live = world
        .auth
        .certificate_live(issued.subject, &issued.certificate_der)
        .await;
    live.unwrap();
    assert_eq!(world.count(organization, "relays").await, 1);
    let listed = world
        .auth
        .enrolment_token_list(&world.person(organization))
        .await
        .unwrap();
    assert_eq!(listed[0].uses, 1);
    // Another key is somebody else, and after a revocation so is this one.
    let (_, other) = key_and_request();
    assert_eq!(code(join(&other).await), ErrorCode::Unauthenticated);
    let ctx = world.person(organization);
    let revoked = world.auth.certificates_revoke(&ctx, issued.subject).await;
    assert_eq!(revoked.unwrap(), 2);
    assert_eq!(code(join(&request).await), ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_not_given_again_after_the_tokens_end() {
    let world = World::new().await;
    let organization = world.customer().await;
    let site = world.site(organization, "Harbour").await.id;
    let secret = relay_token(&world, organization, site).await;
    let (_, request) = key_and_request();
    let join = async || {
        let joined = world.auth.relay_enrol(&secret, "box", "SN", "1", &request);
        joined.await.map(|(id, _)| id)
    };
    let id = join().await.unwrap();
    world.pass(3599);
    assert_eq!(join().await.unwrap(), id);
    world.pass(1);
    assert_eq!(code(join().await), ErrorCode::Unauthenticated);
}
