//! Another organization's id is indistinguishable from an unknown one, in every operation.

use crate::world::{World, code, key_and_request, site};
use netpatch_auth::*;
use netpatch_protocol::SubjectKind;
use netpatch_storage::hole_test;
use netpatch_types::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn the_schema_has_no_holes() {
    let world = World::new().await;
    assert_eq!(
        hole_test(world.test.database()).await.unwrap(),
        Vec::<String>::new()
    );
}

fn token_of(site: SiteId) -> EnrolmentTokenCreate {
    EnrolmentTokenCreate {
        site,
        labels: Labels::default(),
        for_relay: false,
        max_uses: 5,
        ttl_seconds: 3600,
    }
}

#[tokio::test]
async fn another_organizations_ids_are_unknown_in_every_operation() {
    let world = World::new().await;
    let auth = &world.auth;
    let now = world.now();
    let (owner, stranger) = (world.customer().await, world.partner().await);
    let partner = world.partner().await;
    let own = world.person(owner);
    let ctx = world.person(stranger);
    let mut tested = BTreeSet::new();

    // What the owner has.
    let place = world.site(owner, "Harbour").await.id;
    let (token, text) = auth
        .enrolment_token_create(&own, token_of(place))
        .await
        .unwrap();
    let secret = text.split('.').nth(1).unwrap().to_owned();
    auth.token_consume(&secret).await.unwrap();
    let for_relay = EnrolmentTokenCreate {
        for_relay: true,
        max_uses: 1,
        ..token_of(place)
    };
    let (_, text) = auth.enrolment_token_create(&own, for_relay).await.unwrap();
    let relay_secret = text.split('.').nth(1).unwrap().to_owned();
    let (_, request) = key_and_request();
    let (relay, certificate) = auth
        .relay_enrol(&relay_secret, "box", "SN1", "1", &request)
        .await
        .unwrap();
    let until = now + chrono::Duration::days(30);
    let delegation = auth
        .delegation_create(&world.person(partner), owner, &[Role::Owner], until)
        .await
        .unwrap();
    auth.idempotency_begin(&own, "key", b"body").await.unwrap();
    let claim = auth
        .claim_start(ClaimStart {
            csr_der: request.clone(),
            model: String::new(),
            serial: String::new(),
            version: String::new(),
        })
        .await
        .unwrap();

    /// The owner's id and an unknown one get the same refusal.
    macro_rules! same_as_unknown {
        ($operation:ident, $theirs:expr, $unknown:expr) => {{
            tested.insert(stringify!($operation).to_owned());
            let theirs = $theirs.await.err().expect(stringify!($operation));
            let unknown = $unknown.await.err().expect(stringify!($operation));
            assert_eq!(theirs, unknown, "{}", stringify!($operation));
        }};
    }
    /// The operation takes no id of a thing: it shows or touches nothing of the owner's.
    macro_rules! own_only {
        ($operation:ident, $answer:expr, |$value:ident| $holds:expr) => {{
            tested.insert(stringify!($operation).to_owned());
            let $value = $answer.await;
            assert!($holds, "{}", stringify!($operation));
        }};
    }

    let nowhere = SiteId::new(now);
    same_as_unknown!(
        organization_get,
        auth.organization_get(&ctx, owner),
        auth.organization_get(&ctx, OrganizationId::new(now))
    );
    same_as_unknown!(
        organization_create,
        auth.organization_create(&ctx, "x", OrganizationKind::Customer, Some(owner)),
        auth.organization_create(
            &ctx,
            "x",
            OrganizationKind::Customer,
            Some(OrganizationId::new(now))
        )
    );
    same_as_unknown!(
        site_get,
        auth.site_get(&ctx, place),
        auth.site_get(&ctx, nowhere)
    );
    let probing = |id| SiteUpdate {
        probes_exposure: Some(true),
        serves_proxy: Some(true),
        mirrors: Some(Vec::new()),
        uses_deltas: Some(false),
        direct_allowed: Some(false),
        ..SiteUpdate::new(id)
    };
    same_as_unknown!(
        site_update,
        auth.site_update(&ctx, probing(place)),
        auth.site_update(&ctx, probing(nowhere))
    );
    same_as_unknown!(
        enrolment_token_create,
        auth.enrolment_token_create(&ctx, token_of(place)),
        auth.enrolment_token_create(&ctx, token_of(nowhere))
    );
    same_as_unknown!(
        enrolment_token_revoke,
        auth.enrolment_token_revoke(&ctx, token.id),
        auth.enrolment_token_revoke(&ctx, EnrolmentTokenId::new(now))
    );
    same_as_unknown!(
        delegation_decide,
        auth.delegation_decide(&ctx, delegation.id, true, ""),
        auth.delegation_decide(&ctx, DelegationId::new(now), true, "")
    );
    same_as_unknown!(
        claim_take,
        auth.claim_take(&ctx, place, &claim.claim_code, "relay"),
        auth.claim_take(&ctx, nowhere, &claim.claim_code, "relay")
    );
    same_as_unknown!(
        claim_replace,
        auth.claim_replace(&ctx, relay, &claim.claim_code),
        auth.claim_replace(&ctx, RelayId::new(now), &claim.claim_code)
    );
    same_as_unknown!(
        relay_get,
        auth.relay_get(&ctx, relay),
        auth.relay_get(&ctx, RelayId::new(now))
    );
    same_as_unknown!(
        relay_staging,
        auth.relay_staging(stranger, relay, &[]),
        auth.relay_staging(stranger, RelayId::new(now), &[])
    );
    let report = RelayReport::default();
    same_as_unknown!(
        relay_report,
        auth.relay_report(stranger, relay, &report),
        auth.relay_report(stranger, RelayId::new(now), &report)
    );
    let subject = |organization, id| Subject {
        organization,
        kind: SubjectKind::Relay,
        id,
    };
    let theirs = subject(owner, relay.0);
    let unknown = subject(owner, RelayId::new(now).0);
    let mixed = subject(stranger, relay.0);
    same_as_unknown!(
        certificates_revoke,
        auth.certificates_revoke(&ctx, theirs),
        auth.certificates_revoke(&ctx, unknown)
    );
    assert_eq!(auth.certificates_revoke(&ctx, mixed).await.unwrap(), 0);
    same_as_unknown!(
        certificate_live,
        auth.certificate_live(mixed, &certificate.certificate_der),
        auth.certificate_live(unknown, &certificate.certificate_der)
    );
    let fingerprint = Sha256::of(&certificate.certificate_der);
    own_only!(
        certificates_live,
        auth.certificates_live(stranger, &[(mixed, fingerprint), (theirs, fingerprint)]),
        |answer| answer.unwrap() == [false, false]
    );
    own_only!(
        host_certificates_revoked,
        auth.host_certificates_revoked(stranger, 10),
        |answer| answer.unwrap().is_empty()
    );
    same_as_unknown!(
        certificate_renew,
        auth.certificate_renew(mixed, &request),
        auth.certificate_renew(unknown, &request)
    );
    own_only!(
        has_live_certificate,
        auth.has_live_certificate(mixed),
        |answer| !answer.unwrap()
    );
    assert!(auth.has_live_certificate(theirs).await.unwrap());

    own_only!(organization_list, auth.organization_list(&ctx), |list| list
        .unwrap()
        .iter()
        .all(|known| known.id == stranger));
    own_only!(site_list, auth.site_list(&ctx), |list| list
        .unwrap()
        .is_empty());
    own_only!(relay_list, auth.relay_list(&ctx), |list| list
        .unwrap()
        .is_empty());
    own_only!(
        enrolment_token_list,
        auth.enrolment_token_list(&ctx),
        |list| list.unwrap().is_empty()
    );
    let theirs_too = UserCreate {
        email: "theirs@example.com".into(),
        name: "Theirs".into(),
        roles: vec![Role::Technician],
    };
    auth.user_create(&own, theirs_too).await.unwrap();
    own_only!(member_list, auth.member_list(&ctx), |list| list
        .unwrap()
        .is_empty());
    own_only!(delegation_list, auth.delegation_list(&ctx), |list| list
        .unwrap()
        .is_empty());
    // Who asked learns as little as a stranger.
    let asker = world.person(partner);
    assert!(auth.delegation_list(&asker).await.unwrap().is_empty());
    // A name taken by one organization is free for another.
    own_only!(
        site_create,
        auth.site_create(&ctx, site("Harbour")),
        |made| made.unwrap().organization == stranger
    );
    own_only!(
        idempotency_begin,
        auth.idempotency_begin(&ctx, "key", b"other body"),
        |answer| answer.unwrap() == Idempotency::Fresh
    );
    own_only!(
        idempotency_finish,
        auth.idempotency_finish(&ctx, "key", None),
        |answer| answer.is_ok()
    );
    assert_eq!(
        code(auth.idempotency_begin(&own, "key", b"body").await),
        ErrorCode::Conflict
    );
    let client = ApiClientCreate {
        name: "client".into(),
        permissions: [Permission::Read].into(),
    };
    let created = auth.api_client_create(&ctx, client).await.unwrap();
    tested.insert("api_client_create".to_owned());
    assert_eq!(created.client.organization, stranger);
    // A client's secret is good under its own organization only.
    let lured = created.client.id.public(owner);
    let unknown = ApiClientId::new(now).public(owner);
    same_as_unknown!(
        client_token,
        auth.client_token(&lured, &created.secret),
        auth.client_token(&unknown, &created.secret)
    );
    let own_id = created.client.id.public(stranger);
    let access = auth.client_token(&own_id, &created.secret).await.unwrap();
    own_only!(
        token_principal,
        auth.token_principal(&access.token),
        |principal| principal.unwrap().context_for(owner, now).is_err()
    );
    let create = UserCreate {
        email: "somebody@example.com".into(),
        name: "Somebody".into(),
        roles: vec![Role::Owner],
    };
    let (_, password) = auth.user_create(&ctx, create.clone()).await.unwrap();
    tested.insert("user_create".to_owned());
    // An address taken elsewhere is refused without saying where.
    let taken = auth.user_create(&own, create).await.unwrap_err();
    assert_eq!(taken.message, "this e-mail address cannot be used");
    let session = auth
        .sign_in(
            "somebody@example.com",
            password.clone(),
            SessionKind::Bearer,
        )
        .await
        .unwrap();
    tested.insert("sign_in".to_owned());
    let principal = auth
        .session_principal(&session.token, SessionKind::Bearer)
        .await
        .unwrap();
    tested.insert("session_principal".to_owned());
    assert_eq!(principal.home, stranger);
    assert_eq!(code(principal.context_for(owner, now)), ErrorCode::NotFound);
    // Somebody who claims another home is nobody there.
    let mut moved = principal.clone();
    moved.home = owner;
    own_only!(
        password_change,
        auth.password_change(&moved, password, "another password".into()),
        |answer| answer.unwrap_err().path == ["oldPassword"]
    );

    // Nothing of the owner's changed, and no operation was forgotten.
    assert_eq!(world.count(owner, "sites").await, 1);
    assert_eq!(auth.relay_list(&own).await.unwrap().len(), 1);
    assert_eq!(auth.relay_list(&own).await.unwrap()[0].last_seen_at, None);
    let tokens = auth.enrolment_token_list(&own).await.unwrap();
    assert!(tokens.iter().all(|token| !token.revoked));
    let delegations = auth.delegation_list(&own).await.unwrap();
    assert_eq!(delegations[0].status, DelegationStatus::Pending);
    auth.certificate_live(theirs, &certificate.certificate_der)
        .await
        .unwrap();
    // Where a site's relays are reached is told to its own organization.
    let report = RelayReport {
        address: "10.0.0.5:4433".into(),
        ..RelayReport::default()
    };
    auth.relay_report(owner, relay, &report).await.unwrap();
    let addresses = auth.relay_addresses(&own, place, 8).await.unwrap();
    assert_eq!(addresses, [report.address]);
    own_only!(
        relay_addresses,
        auth.relay_addresses(&ctx, place, 8),
        |list| list.unwrap().is_empty()
    );
    own_only!(
        relay_addresses_elsewhere,
        auth.relay_addresses_elsewhere(&ctx, nowhere, 8),
        |list| list.unwrap().is_empty()
    );
    // No organization's id comes in from outside here: the platform's own calls, secrets that name their organization
    // (their tests stand with the noun), and requests that reach somebody else's organization on purpose.
    for named in [
        "bootstrap",
        "events",
        "events_each",
        "events_in_pages",
        "events_tend",
        "idempotency_sweep",
        "root_document",
        "organization_ca",
        "host_enrol",
        "relay_enrol",
        "token_consume",
        "token_release",
        "claim_start",
        "claim_poll",
        "claim_preview",
        "sign_out",
        "certificate_renew_expired",
        "delegation_create",
    ] {
        assert!(tested.insert(named.to_owned()), "{named} is listed twice");
    }
    assert_eq!(operations(), tested);
}

/// Operations, read from the sources.
fn operations() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let names = text.split("pub async fn ").skip(1);
        found.extend(names.map(|rest| rest.split(['(', '<']).next().unwrap().to_owned()));
    }
    assert!(found.len() >= 30, "{found:?}");
    found
}

#[tokio::test]
async fn a_reader_of_several_organizations_writes_to_one() {
    let world = World::new().await;
    let (one, two) = (world.customer().await, world.customer().await);
    let theirs = world.site(two, "Harbour").await.id;
    let mut ctx = world.person(one);
    ctx.read.push(two);
    assert_eq!(
        world
            .auth
            .site_get(&ctx, theirs)
            .await
            .unwrap()
            .organization,
        two
    );
    assert_eq!(world.auth.organization_list(&ctx).await.unwrap().len(), 2);
    assert_eq!(
        code(
            world
                .auth
                .enrolment_token_create(&ctx, token_of(theirs))
                .await
        ),
        ErrorCode::NotFound
    );
    ctx.write = None;
    let nowhere = world.auth.site_create(&ctx, site("Quay")).await;
    assert_eq!(nowhere.unwrap_err().path, ["organizationId"]);
}

/// A site lets its relays probe, and serve hosts without an agent, only after its own administrator said so; each is told once.
#[tokio::test]
async fn a_site_lets_its_relays_probe_when_its_administrator_says_so() {
    let world = World::new().await;
    let organization = world.customer().await;
    let ctx = world.person(organization);
    let made = world.site(organization, "Harbour").await;
    assert!(!made.probes_exposure, "off until somebody allows it");
    assert!(!made.serves_proxy, "off until somebody allows it");
    let update = SiteUpdate {
        probes_exposure: Some(true),
        ..SiteUpdate::new(made.id)
    };
    let mut technician = ctx.clone();
    technician.permissions.remove(&Permission::Admin);
    let refused = world.auth.site_update(&technician, update.clone()).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    assert!(
        !world
            .auth
            .site_get(&ctx, made.id)
            .await
            .unwrap()
            .probes_exposure
    );
    for _ in 0..2 {
        let changed = world.auth.site_update(&ctx, update.clone()).await.unwrap();
        assert!(changed.probes_exposure);
        assert_eq!(changed, world.auth.site_get(&ctx, made.id).await.unwrap());
    }
    let nothing = SiteUpdate::new(made.id);
    let same = world.auth.site_update(&ctx, nothing).await.unwrap();
    assert!(same.probes_exposure && !same.serves_proxy);
    let serving = SiteUpdate {
        serves_proxy: Some(true),
        ..SiteUpdate::new(made.id)
    };
    let refused = world.auth.site_update(&technician, serving.clone()).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    let both = world.auth.site_update(&ctx, serving).await.unwrap();
    assert!(both.probes_exposure && both.serves_proxy);
    assert_eq!(both, world.auth.site_get(&ctx, made.id).await.unwrap());
    let forbidding = SiteUpdate {
        direct_allowed: Some(false),
        ..SiteUpdate::new(made.id)
    };
    let refused = world
        .auth
        .site_update(&technician, forbidding.clone())
        .await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    assert!(both.direct_allowed, "as it was made");
    let strict = world.auth.site_update(&ctx, forbidding).await.unwrap();
    assert!(!strict.direct_allowed && strict.serves_proxy);
    assert_eq!(strict, world.auth.site_get(&ctx, made.id).await.unwrap());
    world.test.settle("identity").await;
    let page = world.auth.events(Cursor::default(), 100).await.unwrap();
    let changes: Vec<IdentityEvent> = page
        .events
        .into_iter()
        .filter(|event| event.tenant == organization)
        .map(|event| serde_json::from_value(event.payload).unwrap())
        .skip(2)
        .collect();
    let told: Vec<_> = changes
        .into_iter()
        .map(|IdentityEvent::V1 { event, .. }| event)
        .collect();
    let changed = |serves_proxy, direct_allowed| IdentityEventV1::SiteChanged {
        site: made.id,
        probes_exposure: true,
        bandwidth: Bandwidth::default(),
        serves_proxy,
        staging_hours: Vec::new(),
        mirrors: Vec::new(),
        uses_deltas: true,
        direct_allowed: Some(direct_allowed),
    };
    assert_eq!(
        told,
        [
            changed(false, true),
            changed(true, true),
            changed(true, false)
        ]
    );
}

/// Where relays fetch is kept as it was said, of the site's own repositories only; differences are used until somebody says no.
#[tokio::test]
async fn a_site_names_mirrors_and_may_do_without_differences() {
    let world = World::new().await;
    let organization = world.customer().await;
    let ctx = world.person(organization);
    let create = SiteCreate {
        name: "Harbour".into(),
        time_zone: "UTC".into(),
        direct_allowed: false,
        upstreams: vec!["http://deb.example/debian/".into()],
    };
    let made = world.auth.site_create(&ctx, create).await.unwrap();
    assert!(made.mirrors.is_empty() && made.uses_deltas);
    let of = |repository: &str, urls: &[&str]| Mirrors {
        repository: repository.into(),
        urls: urls.iter().map(|url| (*url).into()).collect(),
    };
    let update = |mirrors| SiteUpdate {
        mirrors: Some(mirrors),
        ..SiteUpdate::new(made.id)
    };
    let good = vec![of(
        "http://deb.example/debian/",
        &["http://one.example/d/", "https://two.example"],
    )];
    let plain = vec![of(
        "http://deb.example/debian",
        &["http://one.example/d", "https://two.example"],
    )];
    let changed = world.auth.site_update(&ctx, update(good)).await.unwrap();
    assert_eq!(changed.mirrors, plain);
    let own = "http://deb.example/debian";
    for bad in [
        vec![of("http://other.example/debian", &["http://one.example"])],
        vec![of(own, &[])],
        vec![of(own, &["http://one.example"; 9])],
        vec![of(own, &["file:///etc"])],
        vec![of(own, &["http://one.example/a b"])],
        vec![
            of(own, &["http://one.example"]),
            of(own, &["http://two.example"]),
        ],
        vec![of(own, &["http://one.example"]); 101],
    ] {
        let refused = world.auth.site_update(&ctx, update(bad.clone())).await;
        assert_eq!(code(refused), ErrorCode::BadUserInput, "{bad:?}");
    }
    let mut technician = ctx.clone();
    technician.permissions.remove(&Permission::Admin);
    let refused = world
        .auth
        .site_update(&technician, update(Vec::new()))
        .await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    let whole = SiteUpdate {
        uses_deltas: Some(false),
        ..SiteUpdate::new(made.id)
    };
    let changed = world.auth.site_update(&ctx, whole).await.unwrap();
    assert!(!changed.uses_deltas && changed.mirrors == plain);
    assert_eq!(changed, world.auth.site_get(&ctx, made.id).await.unwrap());
    let none = world.auth.site_update(&ctx, update(Vec::new())).await;
    assert!(none.unwrap().mirrors.is_empty());
}

/// What a site's line may carry is kept as it was said, and refused when it cannot be kept.
#[tokio::test]
async fn a_site_limits_what_its_relays_fetch() {
    let world = World::new().await;
    let organization = world.customer().await;
    let ctx = world.person(organization);
    let made = world.site(organization, "Harbour").await;
    assert_eq!(made.bandwidth, Bandwidth::default(), "without limit");
    let limit = |kilobits| Bandwidth {
        kilobits_per_second: Some(kilobits),
        rules: vec![BandwidthRule {
            hours: WeekHours {
                days: vec![chrono::Weekday::Mon, chrono::Weekday::Sun],
                from_minute: 22 * 60,
                until_minute: 6 * 60,
            },
            kilobits_per_second: None,
        }],
    };
    let update = |kilobits| SiteUpdate {
        bandwidth: Some(limit(kilobits)),
        ..SiteUpdate::new(made.id)
    };
    let changed = world.auth.site_update(&ctx, update(2_000)).await.unwrap();
    assert_eq!(changed.bandwidth, limit(2_000));
    assert_eq!(changed, world.auth.site_get(&ctx, made.id).await.unwrap());
    let refused = world.auth.site_update(&ctx, update(1)).await.unwrap_err();
    assert_eq!(refused.path, ["bandwidth"]);
    let mut technician = ctx.clone();
    technician.permissions.remove(&Permission::Admin);
    let refused = world.auth.site_update(&technician, update(5_000)).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    let probing = SiteUpdate {
        probes_exposure: Some(true),
        ..SiteUpdate::new(made.id)
    };
    let same = world.auth.site_update(&ctx, probing).await.unwrap();
    assert_eq!(same.bandwidth, limit(2_000), "what is not said stays");
}

#[tokio::test]
async fn events_say_who_did_what() {
    let world = World::new().await;
    let organization = world.customer().await;
    let made = world.site(organization, "Harbour").await;
    world.test.settle("identity").await;
    let page = world.auth.events(Cursor::default(), 100).await.unwrap();
    let kinds: Vec<IdentityEvent> = page
        .events
        .into_iter()
        .inspect(|event| assert_eq!(event.tenant, organization))
        .map(|event| serde_json::from_value(event.payload).unwrap())
        .collect();
    let [_, IdentityEvent::V1 { by, event }] = kinds.as_slice() else {
        panic!("{kinds:?}");
    };
    assert_eq!(by.display, "Person");
    assert_eq!(*event, IdentityEventV1::SiteCreated { site: made.id });
}
