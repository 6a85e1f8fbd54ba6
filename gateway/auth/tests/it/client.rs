//! API clients and their access tokens.

use crate::world::{World, code};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use netpatch_auth::{ApiClientCreate, ApiClientCreated};
use netpatch_types::{ActorKind, ErrorCode, OrganizationId, Permission};
use serde_json::Value;

async fn client(world: &World, organization: OrganizationId) -> ApiClientCreated {
    let create = ApiClientCreate {
        name: "nightly export".into(),
        permissions: [Permission::Read, Permission::Report].into(),
    };
    world
        .auth
        .api_client_create(&world.person(organization), create)
        .await
        .unwrap()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// The key of the JWK set, read as a stranger would (RFC 8037).
fn published_key(world: &World) -> ed25519_dalek::VerifyingKey {
    let set = world.auth.jwks().unwrap();
    let key = &set["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"]),
        (&"OKP".into(), &"Ed25519".into())
    );
    assert!(key.get("d").is_none());
    let x = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    ed25519_dalek::VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_verifies_with_the_published_key_and_lasts_ten_minutes() {
    let world = World::new().await;
    let organization = world.customer().await;
    let created = client(&world, organization).await;
    let id = created.client.id.public(organization);
    let granted = world.auth.client_token(&id, &created.secret).await.unwrap();
    assert_eq!(granted.expires_in, 600);

    let parts: Vec<&str> = granted.token.split('.').collect();
    let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    published_key(&world)
        .verify_strict(signed.as_bytes(), &signature)
        .unwrap();
    assert_eq!(part(parts[0])["alg"], "EdDSA");
    let claims = part(parts[1]);
    assert_eq!(claims["sub"], id);
    assert_eq!(claims["exp"], world.now().timestamp() + 600);

    let principal = world.auth.token_principal(&granted.token).await.unwrap();
    assert_eq!(
        (principal.kind, principal.id, principal.home),
        (ActorKind::ApiClient, created.client.id.0, organization)
    );
    assert_eq!(principal.access[0].permissions, created.client.permissions);
    // The keys outlive the process.
    assert_eq!(
        world.restarted().jwks().unwrap(),
        world.auth.jwks().unwrap()
    );
    world.pass(599);
    world.auth.token_principal(&granted.token).await.unwrap();
    world.pass(1);
    assert_eq!(
        code(world.auth.token_principal(&granted.token).await),
        ErrorCode::Unauthenticated
    );
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::new().await;
    let organization = world.customer().await;
    let created = client(&world, organization).await;
    let id = created.client.id.public(organization);
    let token = world
        .auth
        .client_token(&id, &created.secret)
        .await
        .unwrap()
        .token;
    let parts: Vec<&str> = token.split('.').collect();
    let refused = async |token: String| {
        let answer = world.auth.token_principal(&token).await;
        assert_eq!(code(answer), ErrorCode::Unauthenticated, "{token}");
    };
    let mut claims = part(parts[1]);
    claims["exp"] = (world.now().timestamp() + 86_400).into();
    refused(format!("{}.{}.{}", parts[0], text(&claims), parts[2])).await;
    let none = text(&serde_json::json!({"alg": "none", "typ": "JWT"}));
    refused(format!("{none}.{}.", parts[1])).await;
    // Signed by a key of somebody else, and by the published key used as a shared secret.
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let signed = format!("{}.{}", parts[0], parts[1]);
    let signature = URL_SAFE_NO_PAD.encode(stranger.sign(signed.as_bytes()).to_bytes());
    refused(format!("{signed}.{signature}")).await;
    let shared = jsonwebtoken::EncodingKey::from_secret(published_key(&world).as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    refused(jsonwebtoken::encode(&header, &part(parts[1]), &shared).unwrap()).await;
    refused(String::new()).await;
    refused("a.b.c".into()).await;

    // Ours, for somebody else: another audience, another issuer, a client that is gone.
    let ours = std::fs::read(world.key_file("access-token")).unwrap();
    let ours = ed25519_dalek::SigningKey::from_bytes(&ours.try_into().unwrap());
    let sign = |claims: &Value| {
        let signed = format!("{}.{}", parts[0], text(claims));
        let signature = URL_SAFE_NO_PAD.encode(ours.sign(signed.as_bytes()).to_bytes());
        format!("{signed}.{signature}")
    };
    world
        .auth
        .token_principal(&sign(&part(parts[1])))
        .await
        .unwrap();
    for claim in ["aud", "iss", "sub"] {
        let mut claims = part(parts[1]);
        claims[claim] = "somebody else".into();
        refused(sign(&claims)).await;
    }
    world
        .change(organization, "delete from identity.api_clients")
        .await;
    refused(token).await;
}

#[tokio::test]
async fn wrong_credentials_get_nothing_and_a_client_ends_after_a_year() {
    let world = World::new().await;
    let organization = world.customer().await;
    let created = client(&world, organization).await;
    let id = created.client.id.public(organization);
    let other = netpatch_types::ApiClientId::new(world.now()).public(organization);
    for (id, secret) in [
        (id.as_str(), "npc_wrong"),
        (&other, created.secret.as_str()),
        ("nonsense", &created.secret),
    ] {
        assert_eq!(
            code(world.auth.client_token(id, secret).await),
            ErrorCode::Unauthenticated
        );
    }
    let used = "select count(*) from identity.api_clients where last_used_at is not null";
    let tx = world
        .test
        .database()
        .read(&world.person(organization))
        .await
        .unwrap();
    assert_eq!(tx.value::<i64>(used, []).await.unwrap(), Some(0));
    drop(tx);
    world.pass(365 * 86_400);
    assert_eq!(
        code(world.auth.client_token(&id, &created.secret).await),
        ErrorCode::Unauthenticated
    );
}

#[tokio::test]
async fn a_program_never_approves_not_even_by_proxy() {
    let world = World::new().await;
    let organization = world.customer().await;
    let create = |permissions: &[Permission]| ApiClientCreate {
        name: "helper".into(),
        permissions: permissions.iter().copied().collect(),
    };
    let person = world.person(organization);
    let approving = world
        .auth
        .api_client_create(&person, create(&[Permission::Approve]))
        .await
        .unwrap_err();
    assert_eq!(approving.path, ["permissions"]);
    // Nobody gives what they do not have.
    let mut weak = person.clone();
    weak.permissions = [Permission::Admin].into();
    let answer = world
        .auth
        .api_client_create(&weak, create(&[Permission::Deploy]))
        .await;
    assert_eq!(code(answer), ErrorCode::Forbidden);
    // Even with Admin a program makes no people and no programs.
    let mut program = person.clone();
    program.actor.kind = ActorKind::ApiClient;
    let answer = world
        .auth
        .api_client_create(&program, create(&[Permission::Read]))
        .await;
    assert_eq!(code(answer), ErrorCode::Forbidden);
    let user = netpatch_auth::UserCreate {
        email: "puppet@example.com".into(),
        name: "Puppet".into(),
        roles: vec![netpatch_auth::Role::Approver],
    };
    assert_eq!(
        code(world.auth.user_create(&program, user).await),
        ErrorCode::Forbidden
    );
    // And a row that says otherwise is not believed.
    let created = client(&world, organization).await;
    world
        .change(
            organization,
            "update identity.api_clients set permissions = '[\"approve\", \"read\"]'",
        )
        .await;
    let id = created.client.id.public(organization);
    let token = world.auth.client_token(&id, &created.secret).await.unwrap();
    let principal = world.auth.token_principal(&token.token).await.unwrap();
    assert_eq!(principal.access[0].permissions, [Permission::Read].into());
}
