//! What a request may cost.

use crate::world::World;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use netpatch_auth::Role;
use netpatch_gateway::Settings;
use netpatch_gateway::throttle::Rate;
use netpatch_types::Permission;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn two_hundred_aliases_and_depth_seventeen_are_refused() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let aliases: String = (0..200)
        .map(|n| format!("a{n}: hosts(first: 100) {{ nodes {{ id }} }} "))
        .collect();
    assert_eq!(
        world
            .ask(&token, &format!("{{ {aliases} }}"), json!({}))
            .await
            .code(),
        "COST_EXCEEDED"
    );
    // Few fields at the root, but each multiplied.
    let answer = world
        .ask(
            &token,
            "{ hosts(first: 100) { nodes { findings(first: 100) { nodes { id } } } } }",
            json!({}),
        )
        .await;
    assert_eq!(answer.code(), "COST_EXCEEDED");
    let levels = "sites(first: 1) { nodes { organization { ".repeat(6);
    let deep = format!(
        "{{ organizations(first: 1) {{ nodes {{ {levels} id {} }} }} }}",
        "} } }".repeat(6)
    );
    assert_eq!(
        world.ask(&token, &deep, json!({})).await.code(),
        "COST_EXCEEDED"
    );
    assert!(
        world.script.calls().is_empty(),
        "a refused document reached a service"
    );
    let large = Request::post("/graphql")
        .header("content-type", "application/json")
        .body(Body::from(" ".repeat(65 * 1024)))
        .unwrap();
    assert_eq!(
        world.send(large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn hostile_documents_do_not_bring_the_process_down() {
    let world = World::new().await;
    for text in [
        "{a".repeat(20_000),
        "[".repeat(60_000),
        "{a(b:[".repeat(9000),
        "query($a:[".repeat(5000),
        "\u{0}\u{fffd}".repeat(9000),
    ] {
        let answer = world.ask("", &text, json!({})).await;
        assert!(
            ["COST_EXCEEDED", "GRAPHQL_PARSE_FAILED", "BAD_USER_INPUT"]
                .contains(&answer.code().as_str()),
            "{}",
            answer.text
        );
    }
    let nested = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let body = format!("{{\"query\": \"{{ __typename }}\", \"variables\": {{\"a\": {nested}}}}}");
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(world.send(request).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn introspection_is_for_programs() {
    let world = World::new().await;
    let query = "{ __schema { types { name fields { name type { ofType { ofType { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } } } }";
    let program = world.program(world.own, &[Permission::Read]).await;
    let answer = world.ask(&program, query, json!({})).await;
    assert!(
        answer.json()["data"]["__schema"]["types"]
            .as_array()
            .is_some_and(|types| types.len() > 100),
        "{}",
        answer.text
    );
    for query in [
        query,
        "{ ...f } fragment f on Query { __schema { queryType { name } } }",
    ] {
        let answer = world.ask("", query, json!({})).await;
        assert_eq!(
            answer.code(),
            "GRAPHQL_VALIDATION_FAILED",
            "{}",
            answer.text
        );
    }
    let answer = world
        .ask("", "{ __type(name: \"Host\") { name } }", json!({}))
        .await;
    assert_eq!(answer.json()["data"], json!({"__type": null}));
    let answer = world
        .ask("", "{ hots(first: 1) { nodes { id } } }", json!({}))
        .await;
    assert!(
        !answer.text.contains("hosts"),
        "a misspelt field is answered with a suggestion: {}",
        answer.text
    );
}

#[tokio::test]
async fn an_empty_bucket_is_429_and_fills_again() {
    let rate = Rate {
        maximum: 300,
        restore_rate: 10,
    };
    let world = World::with(Settings {
        client_rate: rate,
        ..Settings::default()
    })
    .await;
    let token = world.bearer(world.own, Role::Owner).await;
    let query = "{ hosts(first: 100) { nodes { id } } }";
    let answer = world.ask(&token, query, json!({})).await;
    let cost = answer.json()["extensions"]["cost"].clone();
    assert!(
        cost["requested"].as_u64().unwrap() > 100 && cost["actual"].as_u64().unwrap() < 10,
        "{cost}"
    );
    assert_eq!(
        (
            &cost["throttle"]["maximum"],
            &cost["throttle"]["restoreRate"]
        ),
        (&json!(300), &json!(10))
    );
    // What was asked for but not used was given back: drain with what is used.
    for _ in 0..300 {
        world
            .ask(
                &token,
                "{ a: rateLimit { maximum } b: rateLimit { maximum } }",
                json!({}),
            )
            .await;
    }
    let answer = world.ask(&token, query, json!({})).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "THROTTLED")
    );
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&seconds) && answer.json().get("data").is_none());
    // Somebody else's bucket is full.
    let other = world.bearer(world.foreign, Role::Owner).await;
    assert_eq!(
        world.ask(&other, query, json!({})).await.status,
        StatusCode::OK
    );
    world.clock.advance(std::time::Duration::from_secs(seconds));
    assert_eq!(
        world.ask(&token, query, json!({})).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn cursors_and_page_sizes_are_checked() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let page = |filter: &str, after: Value| {
        (
            format!(
                "query($after: String) {{ hosts(first: 1, after: $after{filter}) {{ nodes {{ id }} pageInfo {{ endCursor hasNextPage hasPreviousPage }} totalCount {{ value isCapped display }} }} }}"
            ),
            json!({"after": after}),
        )
    };
    let (query, variables) = page("", json!(null));
    let hosts = world.ask(&token, &query, variables).await.json()["data"]["hosts"].clone();
    assert_eq!(
        hosts["totalCount"],
        json!({"value": 10_000, "isCapped": true, "display": "10,000+"})
    );
    assert_eq!(
        (
            &hosts["pageInfo"]["hasNextPage"],
            &hosts["pageInfo"]["hasPreviousPage"]
        ),
        (&json!(true), &json!(false))
    );
    let cursor = hosts["pageInfo"]["endCursor"].clone();
    let (query, variables) = page("", cursor.clone());
    world.script.forget();
    assert_eq!(
        world.ask(&token, &query, variables).await.json()["data"]["hosts"]["pageInfo"]["hasPreviousPage"],
        true
    );
    assert_eq!(world.script.calls()[0].body["page"]["after"], "7");
    let (query, variables) = page(", filter: {isRebootPending: true}", cursor);
    assert_eq!(
        world.ask(&token, &query, variables).await.code(),
        "BAD_USER_INPUT"
    );
    for first in ["0", "-1", "101", "2147483647"] {
        let answer = world
            .ask(
                &token,
                &format!("{{ hosts(first: {first}) {{ nodes {{ id }} }} }}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{first}: {}", answer.text);
    }
    assert_eq!(
        world
            .ask(&token, "{ hosts { nodes { id } } }", json!({}))
            .await
            .code(),
        "GRAPHQL_VALIDATION_FAILED"
    );
}

/// Walks the schema: the price of every connection grows with `first`.
#[tokio::test]
async fn every_connection_is_multiplied() {
    let world = World::with(Settings {
        client_rate: Rate {
            maximum: 5_000_000,
            restore_rate: 1,
        },
        ..Settings::default()
    })
    .await;
    let token = world.bearer(world.own, Role::Owner).await;
    let fields = crate::schema::connection_fields();
    assert!(fields.len() >= 24, "{fields:?}");
    let mut cheap = BTreeSet::new();
    for (owner, field, extra) in fields {
        let mut cost = Vec::new();
        for first in [1, 50] {
            let list = format!("{field}(first: {first}{extra}) {{ nodes {{ __typename }} }}");
            let query = match owner.as_str() {
                "Query" => format!("{{ {list} }}"),
                "Viewer" => format!("{{ viewer {{ {list} }} }}"),
                _ => format!("{{ node(id: \"x\") {{ ... on {owner} {{ {list} }} }} }}"),
            };
            let answer = world.ask(&token, &query, json!({})).await.json();
            cost.push(
                answer["extensions"]["cost"]["requested"]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{query}: {answer}")),
            );
        }
        if cost[1] < cost[0] + 49 {
            cheap.insert(format!("{owner}.{field} {cost:?}"));
        }
    }
    assert!(
        cheap.is_empty(),
        "connections without a multiplier: {cheap:?}"
    );
}
