//! Idempotency keys.

use crate::world::World;
use netpatch_auth::Role;
use serde_json::{Value, json};

const SITE: &str = "mutation($input: SiteCreateInput!) { siteCreate(input: $input) { site { id name } userErrors { code path message } } }";

fn site(world: &World, name: &str, key: &str) -> Value {
    json!({"input": {"organizationId": world.id(world.own), "name": name, "timeZone": "Europe/Berlin", "idempotencyKey": key}})
}

#[tokio::test]
async fn the_same_key_makes_one_site() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let first = world
        .ask(&token, SITE, site(&world, "Berlin", "k1"))
        .await
        .json();
    let id = first["data"]["siteCreate"]["site"]["id"].clone();
    assert!(id.is_string(), "{first}");
    let again = world
        .ask(&token, SITE, site(&world, "Berlin", "k1"))
        .await
        .json();
    assert_eq!(again["data"], first["data"]);
    let other = world
        .ask(&token, SITE, site(&world, "Bonn", "k1"))
        .await
        .json();
    assert_eq!(
        other["data"]["siteCreate"]["userErrors"][0]["code"],
        "IDEMPOTENCY_MISMATCH"
    );
    assert_eq!(
        other["data"]["siteCreate"]["userErrors"][0]["path"],
        json!(["input", "idempotencyKey"])
    );
    // Another person's key of the same name is another key.
    let colleague = world.bearer(world.own, Role::Owner).await;
    let theirs = world
        .ask(&colleague, SITE, site(&world, "Bonn", "k1"))
        .await
        .json();
    assert_eq!(theirs["data"]["siteCreate"]["site"]["name"], "Bonn");
}

#[tokio::test]
async fn twice_at_once_is_once() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let ask = || world.ask(&token, SITE, site(&world, "Berlin", "k"));
    let (a, b) = tokio::join!(ask(), ask());
    for answer in [a.json(), b.json()] {
        let payload = &answer["data"]["siteCreate"];
        let code = payload["userErrors"][0]["code"].as_str();
        assert!(
            payload["site"].is_object() || code == Some("CONFLICT"),
            "{answer}"
        );
    }
    let sites = world.ask(
        &token,
        "query($id: ID!) { organization(id: $id) { sites(first: 10) { nodes { name } } } }",
        json!({"id": world.id(world.own)}),
    );
    assert_eq!(
        sites.await.json()["data"]["organization"]["sites"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_refused_mutation_frees_its_key_and_a_secret_is_shown_once() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    let refused = world.ask(&token, SITE, site(&world, "", "k")).await.json();
    let error = &refused["data"]["siteCreate"]["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["path"]),
        (&json!("BAD_USER_INPUT"), &json!(["input", "name"]))
    );
    let mended = world
        .ask(&token, SITE, site(&world, "Berlin", "k"))
        .await
        .json();
    assert!(mended["data"]["siteCreate"]["site"].is_object(), "{mended}");

    let query = "mutation($input: ApiClientCreateInput!) { apiClientCreate(input: $input) { clientId clientSecret userErrors { code } } }";
    let input = json!({"input": {"organizationId": world.id(world.own), "name": "sync", "permissions": ["READ"], "idempotencyKey": "c"}});
    let made =
        world.ask(&token, query, input.clone()).await.json()["data"]["apiClientCreate"].clone();
    assert!(
        made["clientSecret"]
            .as_str()
            .is_some_and(|secret| secret.len() > 20)
    );
    let again = world.ask(&token, query, input).await.json()["data"]["apiClientCreate"].clone();
    assert_eq!(
        (&again["clientId"], &again["clientSecret"]),
        (&made["clientId"], &Value::Null)
    );
}

#[tokio::test]
async fn typed_refusals_carry_what_is_needed_to_go_on() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Owner).await;
    world.script.answer_with(|method, _| match method {
        "policy_update" => Some(Err(netpatch_types::ServiceError::conflict("42"))),
        "deployment_create" => Some(Ok(json!({"deployment": null, "waves": [], "hosts": 0, "payload_bytes": 0, "windows": [],
            "missing": [{"patch": uuid::Uuid::from_u128(7), "approval": uuid::Uuid::from_u128(7), "reason": "nobody has approved bash"}]}))),
        "approval_decide" => Some(Err(netpatch_types::ServiceError::new(netpatch_types::ErrorCode::SelfApproval, "you asked for it"))),
        _ => None,
    });
    let own = |prefix: &str| crate::tenancy::public(prefix, world.own);
    let rollout = json!({"waves": [{"hosts": 1}]});
    let query = "mutation($input: PolicyUpdateInput!) { policyUpdate(input: $input) { policy { id } userErrors { code message path ... on ConflictError { currentEtag } } } }";
    let input = json!({"input": {"id": own("policy"), "name": "p", "rules": [], "rollout": rollout, "windowIds": [], "idempotencyKey": "1"}});
    let answer = world.ask(&token, query, input).await.json();
    assert_eq!(
        answer["data"]["policyUpdate"]["userErrors"][0]["currentEtag"], "42",
        "{answer}"
    );

    let query = "mutation($input: DeploymentCreateInput!) { deploymentCreate(input: $input) { deployment { id } plan { missing { reason } } userErrors { code ... on ApprovalRequiredError { approval { title } } } } }";
    let input = json!({"input": {"organizationId": world.id(world.own), "policyId": own("policy"), "patchIds": [crate::tenancy::patch()], "idempotencyKey": "2"}});
    let answer = world.ask(&token, query, input).await.json();
    let error = &answer["data"]["deploymentCreate"]["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["approval"]["title"]),
        (&json!("APPROVAL_REQUIRED"), &json!("bash 2 for all hosts")),
        "{answer}"
    );

    let query = "mutation($input: ApprovalDecideInput!) { approvalDecide(input: $input) { approval { id } userErrors { code } } }";
    let input = json!({"input": {"id": own("approval"), "verdict": "APPROVE", "reason": "fine", "idempotencyKey": "3"}});
    let answer = world.ask(&token, query, input.clone()).await.json();
    assert_eq!(
        answer["data"]["approvalDecide"]["userErrors"][0]["code"],
        "SELF_APPROVAL"
    );
    // A program never decides, whatever it may.
    let program = world
        .program(
            world.own,
            &netpatch_types::Permission::ALL
                .into_iter()
                .filter(|right| *right != netpatch_types::Permission::Approve)
                .collect::<Vec<_>>(),
        )
        .await;
    world.script.forget();
    let answer = world.ask(&program, query, input).await.json();
    assert_eq!(
        answer["data"]["approvalDecide"]["userErrors"][0]["code"],
        "FORBIDDEN"
    );
    assert!(world.script.calls().is_empty());
}
