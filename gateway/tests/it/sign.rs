//! Sign-in, cookie and header, tokens of programs.

use crate::world::World;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use netpatch_auth::{ApiClientCreate, Role};
use netpatch_gateway::Settings;
use netpatch_types::Permission;
use serde_json::json;

#[tokio::test]
async fn the_cookie_needs_its_header_where_something_could_change() {
    let world = World::with(Settings {
        is_https: true,
        ..Settings::default()
    })
    .await;
    let (email, password) = world.person(world.own, Role::Owner).await;
    let answer = world
        .post(
            "/auth/sign-in",
            &[],
            json!({"email": email, "password": password}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    let cookie = answer.header("set-cookie").to_owned();
    for part in [
        "__Host-netpatch=nps_",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let query = json!({"query": "{ viewer { actor { name } organizations(first: 5) { nodes { name } } can(permission: ADMIN, on: \"x\") } }"});
    let refused = world
        .post("/graphql", &[("cookie", &cookie)], query.clone())
        .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "FORBIDDEN")
    );
    let answer = world
        .post(
            "/graphql",
            &[("cookie", &cookie), ("x-netpatch-csrf", "1")],
            query.clone(),
        )
        .await
        .json();
    assert_eq!(answer["data"]["viewer"]["actor"]["name"], "owner");
    assert_eq!(
        answer["data"]["viewer"]["organizations"]["nodes"],
        json!([{"name": "Own"}])
    );
    // Portal sessions do not introspect.
    let introspection = json!({"query": "{ __schema { queryType { name } } }"});
    let answer = world
        .post(
            "/graphql",
            &[("cookie", &cookie), ("x-netpatch-csrf", "1")],
            introspection,
        )
        .await;
    assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED");

    let session = world.get("/auth/session", &[("cookie", &cookie)]).await;
    assert_eq!(
        session.json(),
        json!({"user": {"name": "owner", "email": email}})
    );
    assert_eq!(
        world
            .post("/auth/sign-out", &[("cookie", &cookie)], json!({}))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let answer = world
        .post(
            "/auth/sign-out",
            &[("cookie", &cookie), ("x-netpatch-csrf", "1")],
            json!({}),
        )
        .await;
    assert!(
        answer.status == StatusCode::NO_CONTENT
            && answer.header("set-cookie").contains("Max-Age=0")
    );
    assert_eq!(
        world
            .get("/auth/session", &[("cookie", &cookie)])
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        world
            .post(
                "/graphql",
                &[("cookie", &cookie), ("x-netpatch-csrf", "1")],
                query
            )
            .await
            .code(),
        "UNAUTHENTICATED"
    );
}

#[tokio::test]
async fn a_token_does_not_travel_the_other_way_and_wrong_ones_are_refused() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let cookie = format!("netpatch={token}");
    assert_eq!(
        world
            .get("/auth/session", &[("cookie", &cookie)])
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    for bad in ["nps_wrong", "eyJhbGciOiJub25lIn0.e30.", ""] {
        let answer = world
            .get(
                "/auth/session",
                &[("authorization", &format!("Bearer {bad}"))],
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    world
        .clock
        .advance(std::time::Duration::from_secs(13 * 3600));
    assert_eq!(
        world.ask(&token, "{ __typename }", json!({})).await.code(),
        "UNAUTHENTICATED"
    );
    let answer = world
        .post(
            "/auth/sign-in",
            &[],
            json!({"email": "nobody@example.com", "password": "x"}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
    );
    let form = Request::post("/auth/sign-in")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("email=a"))
        .unwrap();
    assert_eq!(
        world.send(form).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[tokio::test]
async fn programs_get_tokens_for_ten_minutes() {
    let world = World::new().await;
    let create = ApiClientCreate {
        name: "sync".into(),
        permissions: [Permission::Read].into(),
    };
    let created = world
        .auth
        .api_client_create(&world.system(world.own), create)
        .await
        .unwrap();
    let id = created.client.id.public(world.own);
    let form = |text: String| {
        Request::post("/auth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(text))
            .unwrap()
    };
    let answer = world
        .send(form(format!(
            "grant_type=client_credentials&client_id={id}&client_secret={}",
            created.secret
        )))
        .await;
    assert_eq!(
        (
            answer.status,
            &answer.json()["expires_in"],
            answer.header("cache-control")
        ),
        (StatusCode::OK, &json!(600), "no-store")
    );
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        world
            .ask(&token, "{ viewer { actor { kind name } } }", json!({}))
            .await
            .json()["data"]["viewer"]["actor"],
        json!({"kind": "API_CLIENT", "name": "sync"})
    );
    let answer = world
        .send(form(format!(
            "grant_type=client_credentials&client_id={id}&client_secret=wrong"
        )))
        .await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_client"))
    );
    let answer = world.send(form("grant_type=password".into())).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (StatusCode::BAD_REQUEST, &json!("unsupported_grant_type"))
    );
    assert_eq!(
        world.get("/.well-known/jwks.json", &[]).await.json()["keys"][0]["crv"],
        "Ed25519"
    );
    world.clock.advance(std::time::Duration::from_secs(601));
    assert_eq!(
        world.ask(&token, "{ __typename }", json!({})).await.code(),
        "UNAUTHENTICATED"
    );
}

#[tokio::test]
async fn too_many_sign_ins_are_slowed_down() {
    let rate = netpatch_gateway::throttle::Rate {
        maximum: 2,
        restore_rate: 1,
    };
    let world = World::with(Settings {
        sign_in_rate: rate,
        ..Settings::default()
    })
    .await;
    let body = json!({"email": "a@example.com", "password": "x"});
    for _ in 0..2 {
        assert_eq!(
            world.post("/auth/sign-in", &[], body.clone()).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let answer = world.post("/auth/sign-in", &[], body).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "1")
    );
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions() {
    let world = World::new().await;
    let (email, password) = world.person(world.own, Role::Owner).await;
    let sign_in = |password: String| {
        world.post(
            "/auth/sign-in",
            &[],
            json!({"email": email, "password": password, "bearer": true}),
        )
    };
    let token = sign_in(password.clone()).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let change = |old: &str| {
        world.post(
            "/auth/password",
            &headers,
            json!({"oldPassword": old, "newPassword": "a long new password"}),
        )
    };
    assert_eq!(change("wrong").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(change(&password).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.ask(&token, "{ __typename }", json!({})).await.code(),
        "UNAUTHENTICATED"
    );
    assert_eq!(
        sign_in(password.clone()).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        sign_in("a long new password".to_owned()).await.status,
        StatusCode::OK
    );
}
