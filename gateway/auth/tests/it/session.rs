//! Signing in and out.

use crate::world::{World, code};
use netpatch_auth::{Role, SessionKind, UserCreate};
use netpatch_types::ErrorCode;

fn user(email: &str, roles: &[Role]) -> UserCreate {
    UserCreate {
        email: email.into(),
        name: "Somebody".into(),
        roles: roles.to_vec(),
    }
}

#[tokio::test]
async fn a_session_lasts_until_it_ends_expires_or_its_user_is_inactive() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (created, password) = world
        .auth
        .user_create(
            &world.person(organization),
            user("Some.Body@Example.com", &[Role::Technician]),
        )
        .await
        .unwrap();
    assert_eq!(created.email, "some.body@example.com");
    let sign_in = async |kind| {
        world
            .auth
            .sign_in("some.body@example.com", password.clone(), kind)
            .await
    };
    let principal = async |token: &str, kind| world.auth.session_principal(token, kind).await;

    let cookie = sign_in(SessionKind::Cookie).await.unwrap();
    let found = principal(&cookie.token, SessionKind::Cookie).await.unwrap();
    assert_eq!(
        (found.id, found.home, found.email.as_str()),
        (created.id.0, organization, "some.body@example.com")
    );
    // A cookie is not a bearer token: it would need no extra header.
    assert_eq!(
        code(principal(&cookie.token, SessionKind::Bearer).await),
        ErrorCode::Unauthenticated
    );
    // What is stored is not the token.
    world.auth.sign_out("nps_unknown").await.unwrap();
    assert!(principal(&cookie.token, SessionKind::Cookie).await.is_ok());
    world.auth.sign_out(&cookie.token).await.unwrap();
    assert_eq!(
        code(principal(&cookie.token, SessionKind::Cookie).await),
        ErrorCode::Unauthenticated
    );

    let bearer = sign_in(SessionKind::Bearer).await.unwrap();
    world.pass(12 * 3600 - 1);
    assert!(principal(&bearer.token, SessionKind::Bearer).await.is_ok());
    world.pass(1);
    assert_eq!(
        code(principal(&bearer.token, SessionKind::Bearer).await),
        ErrorCode::Unauthenticated
    );

    let last = sign_in(SessionKind::Bearer).await.unwrap();
    world
        .change(organization, "update identity.users set active = false")
        .await;
    assert_eq!(
        code(principal(&last.token, SessionKind::Bearer).await),
        ErrorCode::Unauthenticated
    );
    let inactive = sign_in(SessionKind::Bearer).await.err().unwrap();
    let unknown = world
        .auth
        .sign_in("nobody@example.com", password, SessionKind::Bearer)
        .await
        .err()
        .unwrap();
    assert_eq!(inactive, unknown);
}

#[tokio::test]
async fn the_eleventh_failure_in_a_minute_is_throttled_for_known_and_unknown_addresses_alike() {
    let world = World::new().await;
    let organization = world.customer().await;
    let (_, password) = world
        .auth
        .user_create(
            &world.person(organization),
            user("known@example.com", &[Role::Auditor]),
        )
        .await
        .unwrap();
    let sign_in = async |email: &str, password: &str| {
        let auth = &world.auth;
        auth.sign_in(email, password.to_owned(), SessionKind::Bearer)
            .await
    };
    // Success does not count.
    sign_in("known@example.com", &password).await.unwrap();
    // At once, as an attacker would.
    let tries = (0..12).map(|_| sign_in("KNOWN@example.com", "wrong"));
    let answers = futures_of(tries).await;
    let throttled = answers
        .iter()
        .filter(|answer| **answer == ErrorCode::Throttled)
        .count();
    assert_eq!((answers.len(), throttled), (12, 2));
    assert_eq!(
        code(sign_in("known@example.com", &password).await),
        ErrorCode::Throttled
    );
    // Another address is free; a password too long to be one costs no work.
    assert_eq!(
        code(sign_in("other@example.com", &"x".repeat(2000)).await),
        ErrorCode::Unauthenticated
    );
    world.pass(61);
    sign_in("known@example.com", &password).await.unwrap();
}

/// The error codes of many calls at once.
async fn futures_of<T>(
    tries: impl Iterator<Item = impl Future<Output = netpatch_types::ServiceResult<T>>>,
) -> Vec<ErrorCode> {
    futures::future::join_all(tries)
        .await
        .into_iter()
        .map(code)
        .collect()
}

#[tokio::test]
async fn a_user_has_sensible_roles_and_an_address_of_its_own() {
    let world = World::new().await;
    let organization = world.customer().await;
    let ctx = world.person(organization);
    let create = async |email: &str, roles: &[Role]| {
        let create = user(email, roles);
        let (user, _) = world.auth.user_create(&ctx, create).await?;
        Ok::<_, netpatch_types::ServiceError>(user)
    };
    for (email, roles, field) in [
        ("a@example.com", &[][..], "roles"),
        ("a@example.com", &[Role::Auditor, Role::Owner], "roles"),
        ("not an address", &[Role::Owner], "email"),
    ] {
        assert_eq!(create(email, roles).await.unwrap_err().path, [field]);
    }
    create("a@example.com", &[Role::Owner]).await.unwrap();
    let taken = create(" A@EXAMPLE.com", &[Role::Owner]).await.unwrap_err();
    assert_eq!(taken.path, ["email"]);
    assert_eq!(world.count(organization, "users").await, 1);
}
