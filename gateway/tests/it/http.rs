//! GraphQL over HTTP: what the audits of September 2026 look at.

use crate::world::World;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use netpatch_auth::Role;
use serde_json::json;

const RESPONSE: &str = "application/graphql-response+json";

#[tokio::test]
async fn media_types_are_negotiated() {
    let world = World::new().await;
    let query = json!({"query": "{ __typename }"});
    for (accept, status, kind) in [
        (None, 200, "application/json"),
        (Some("*/*"), 200, "application/json"),
        (Some("application/json"), 200, "application/json"),
        (Some(RESPONSE), 200, RESPONSE),
        (
            Some(
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            ),
            200,
            RESPONSE,
        ),
        (Some("text/html"), 406, "application/json"),
    ] {
        let headers: Vec<(&str, &str)> = accept.iter().map(|accept| ("accept", *accept)).collect();
        let answer = world.post("/graphql", &headers, query.clone()).await;
        assert_eq!(answer.status.as_u16(), status, "{accept:?}");
        assert!(
            answer.header("content-type").starts_with(kind),
            "{accept:?}: {}",
            answer.header("content-type")
        );
        if status == 200 {
            assert_eq!(answer.json()["data"]["__typename"], "Query");
        }
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ] {
        let request = Request::post("/graphql")
            .header("content-type", kind)
            .body(Body::from(query.to_string()))
            .unwrap();
        assert_eq!(
            world.send(request).await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind}"
        );
    }
    let put = Request::put("/graphql").body(Body::empty()).unwrap();
    let answer = world.send(put).await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "GET, POST")
    );
}

#[tokio::test]
async fn get_takes_queries_only() {
    let world = World::new().await;
    let answer = world.get("/graphql?query=query%20A%20%7B__typename%7D%20query%20B%20%7Ba:__typename%7D&operationName=B", &[]).await;
    assert_eq!(answer.json()["data"]["a"], "Query");
    // The variable arrives: it is not missing, only nobody is signed in.
    let with_variable = "/graphql?query=query(%24id%3AID!)%7Bnode(id%3A%24id)%7Bid%7D%7D&variables=%7B%22id%22%3A%22x%22%7D";
    let answer = world.get(with_variable, &[("accept", RESPONSE)]).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::OK, "UNAUTHENTICATED"),
        "{}",
        answer.text
    );
    let answer = world
        .get(
            "/graphql?query=mutation%7B__typename%7D",
            &[("accept", RESPONSE)],
        )
        .await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    for bad in [
        "",
        "?query=",
        "?variables=%7B%7D",
        "?query=%7B__typename%7D&variables=nope",
        "?query=%7B__typename%7D&extensions=7",
    ] {
        let status = world.get(&format!("/graphql{bad}"), &[]).await.status;
        let expected = if bad == "?query=" {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        assert_eq!(status, expected, "{bad:?}");
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_in_every_media_type() {
    let world = World::new().await;
    for accept in ["application/json", RESPONSE] {
        for body in [
            json!([{"query": "{ __typename }"}]),
            json!("text"),
            json!({"qeury": "{ __typename }"}),
            json!({"query": {"obj": "ect"}}),
            json!({"query": 0}),
            json!({"query": ["a"]}),
            json!({"query": "{ __typename }", "operationName": {"a": 1}}),
            json!({"query": "{ __typename }", "variables": "text"}),
            json!({"query": "{ __typename }", "variables": ["a"]}),
            json!({"query": "{ __typename }", "extensions": 0}),
        ] {
            let answer = world
                .post("/graphql", &[("accept", accept)], body.clone())
                .await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{accept} {body}");
            assert!(
                answer.json().get("data").is_none()
                    && answer.json()["errors"][0]["extensions"]["requestId"].is_string()
            );
        }
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("accept", accept);
        let answer = world
            .send(request.body(Body::from("{ \"not a JSON")).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn request_errors_have_no_data_and_a_code() {
    let world = World::new().await;
    for (query, variables, code) in [
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        (
            "{ 8f31403dfe404bccbb0e835f2629c6a7 }",
            json!({}),
            "GRAPHQL_PARSE_FAILED",
        ),
        ("{ nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "query A { __typename } query B { __typename }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            "query($id: ID!) { node(id: $id) { id } }",
            json!({"id": null}),
            "BAD_USER_INPUT",
        ),
        (
            "subscription { organizationEvents(organizationId: \"x\") { kind } }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ] {
        let body = json!({"query": query, "variables": variables});
        for (accept, status) in [("application/json", 200), (RESPONSE, 400)] {
            let answer = world
                .post("/graphql", &[("accept", accept)], body.clone())
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{accept} {query} {}",
                answer.text
            );
            assert!(answer.json().get("data").is_none(), "{query}");
        }
    }
}

#[tokio::test]
async fn nobody_gets_unauthenticated_and_never_an_internal_text() {
    let world = World::new().await;
    let answer = world
        .post(
            "/graphql",
            &[("accept", RESPONSE)],
            json!({"query": "{ viewer { actor { name } } }"}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
    );
    let answer = world
        .ask(
            "",
            "{ hosts(first: 1) { nodes { id } } node(id: \"x\") { id } }",
            json!({}),
        )
        .await;
    assert_eq!(
        (&answer.json()["data"], answer.code().as_str()),
        (&json!({"hosts": null, "node": null}), "UNAUTHENTICATED")
    );

    let token = world.bearer(world.own, Role::Owner).await;
    // A failing nullable field is null; its neighbours are answered.
    world.script.answer_with(|method, _| {
        let secret = || {
            netpatch_types::ServiceError::new(
                netpatch_types::ErrorCode::InternalServerError,
                "password of the database is 123",
            )
        };
        (method == "host_list").then(|| Err(secret()))
    });
    let answer = world
        .ask(
            &token,
            "{ hosts(first: 1) { nodes { id } } deployments(first: 1) { nodes { name } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::OK, "INTERNAL_SERVER_ERROR")
    );
    let data = json!({"hosts": null, "deployments": {"nodes": [{"name": "d"}]}});
    assert_eq!(
        (&answer.json()["data"], &answer.json()["errors"][0]["path"]),
        (&data, &json!(["hosts"]))
    );
    assert!(
        !answer.text.contains("123")
            && answer.json()["errors"][0]["extensions"]["requestId"].is_string()
    );
}

#[tokio::test]
async fn documents_are_asked_for_by_hash_only_when_they_are_known() {
    let documents = [("ab".to_owned(), "{ __typename }".to_owned())].into();
    let world = World::with(netpatch_gateway::Settings {
        documents,
        ..Default::default()
    })
    .await;
    let by_hash =
        |hash: &str| json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    assert_eq!(
        world.post("/graphql", &[], by_hash("ab")).await.json()["data"]["__typename"],
        "Query"
    );
    assert_eq!(
        world.post("/graphql", &[], by_hash("cd")).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
    let mut registering = by_hash("cd");
    registering["query"] = json!("{ __typename }");
    world.post("/graphql", &[], registering).await;
    assert_eq!(
        world.post("/graphql", &[], by_hash("cd")).await.code(),
        "PERSISTED_QUERY_NOT_FOUND"
    );
}
