//! Files that are sent in.

use crate::world::{Answer, World};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use netpatch_auth::{Role, SiteCreate};
use netpatch_types::{OrganizationId, Permission};
use serde_json::json;

const FILE: &str = "hostname,site\nweb,Main\n";

async fn send(
    world: &World,
    token: &str,
    query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut request = Request::post(format!("/import/assets?{query}"));
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world
        .send(request.body(Body::from(body.to_vec())).unwrap())
        .await
}

fn of(world: &World, organization: OrganizationId) -> String {
    format!("organizationId={}", world.id(organization))
}

const CSV: (&str, &str) = ("content-type", "text/csv; charset=utf-8");

#[tokio::test]
async fn a_file_of_assets_goes_to_inventory_once_with_its_sites_and_mapping() {
    let world = World::new().await;
    let create = SiteCreate {
        name: "Main".into(),
        time_zone: "UTC".into(),
        direct_allowed: true,
        upstreams: Vec::new(),
    };
    let site = world
        .auth
        .site_create(&world.system(world.own), create)
        .await
        .unwrap();
    let token = world
        .program(world.own, &[Permission::Read, Permission::AssetWrite])
        .await;
    let query = format!("{}&map=Name:hostname&map=a:b:", of(&world, world.own));
    let headers = [CSV, ("idempotency-key", "k1")];
    let answer = send(&world, &token, &query, &headers, FILE.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(
        (&answer.json()["created"], &answer.json()["isWritten"]),
        (&json!(1), &json!(true))
    );
    let imports = || {
        world
            .script
            .calls()
            .into_iter()
            .filter(|call| call.method == "asset_file_import")
            .collect::<Vec<_>>()
    };
    let call = &imports()[0];
    assert_eq!(call.body["text"], FILE);
    assert_eq!(call.body["mapping"], json!({"Name": "hostname", "a:b": ""}));
    assert_eq!(call.body["sites"]["main"], json!(site.id));
    let again = send(&world, &token, &query, &headers, FILE.as_bytes()).await;
    assert_eq!((again.status, imports().len()), (StatusCode::OK, 1), "once");
    let other = send(&world, &token, &query, &headers, b"hostname\nx\n").await;
    assert_eq!(other.code(), "IDEMPOTENCY_MISMATCH");
    let dry = format!("{query}&dryRun=true");
    let answer = send(&world, &token, &dry, &[CSV], FILE.as_bytes()).await;
    assert_eq!(answer.json()["isDryRun"], json!(true), "{}", answer.text);
}

#[tokio::test]
async fn line_errors_are_shown_and_free_the_key() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::PatchAdmin).await;
    world.script.answer_with(|method, body| {
        let is_bad = body["text"].as_str().is_some_and(|text| text.contains("bad"));
        (method == "asset_file_import" && is_bad).then(|| {
            Ok(json!({"created": 0, "changed": 0, "unchanged": 0, "ambiguous": 0, "ignored_columns": [], "error_count": 1,
                "errors": [{"line": 2, "column": "eol", "message": "is no day", "remedy": "write it as 2027-01-31"}]}))
        })
    });
    let headers = [CSV, ("idempotency-key", "k")];
    let query = of(&world, world.own);
    let refused = send(&world, &token, &query, &headers, b"hostname\nbad\n").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        refused.json()["errors"][0],
        json!({"line": 2, "column": "eol", "message": "is no day", "remedy": "write it as 2027-01-31"})
    );
    let mended = send(&world, &token, &query, &headers, b"hostname\ngood\n").await;
    assert_eq!(mended.status, StatusCode::OK, "{}", mended.text);
}

#[tokio::test]
async fn who_may_not_or_sends_something_else_is_refused_before_inventory_hears_of_it() {
    let world = World::new().await;
    let owner = world.bearer(world.own, Role::Owner).await;
    let auditor = world.bearer(world.own, Role::Auditor).await;
    let (own, foreign) = (of(&world, world.own), of(&world, world.foreign));
    let headers = [CSV, ("idempotency-key", "k")];
    let json = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let big = vec![b'x'; 8 * 1024 * 1024 + 1];
    world.script.forget();
    for (token, query, headers, body, status) in [
        (
            "",
            own.as_str(),
            &headers[..],
            FILE.as_bytes(),
            StatusCode::UNAUTHORIZED,
        ),
        (
            auditor.as_str(),
            &own,
            &headers,
            FILE.as_bytes(),
            StatusCode::FORBIDDEN,
        ),
        (
            &owner,
            &foreign,
            &headers,
            FILE.as_bytes(),
            StatusCode::NOT_FOUND,
        ),
        (
            &owner,
            "organizationId=nonsense",
            &headers,
            FILE.as_bytes(),
            StatusCode::NOT_FOUND,
        ),
        (
            &owner,
            "",
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &headers[..1],
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &json,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &own,
            &headers,
            b"hostname\n\xff\n",
            StatusCode::BAD_REQUEST,
        ),
        (&owner, &own, &headers, &big, StatusCode::PAYLOAD_TOO_LARGE),
        (
            &owner,
            &format!("{own}&dryrun=true"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &format!("{own}&dryRun=1"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
        (
            &owner,
            &format!("{own}&map=x"),
            &headers,
            FILE.as_bytes(),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = send(&world, token, query, headers, body).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
    let heard: Vec<_> = world.script.calls();
    assert!(heard.is_empty(), "{heard:?}");
    let answer = send(&world, &owner, &own, &headers, b"hostname\nok\n\xffx\n").await;
    assert!(answer.text.contains("line 3"), "{}", answer.text);
}
