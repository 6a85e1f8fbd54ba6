//! Deadlines of findings and of the queue: shown with their reasons, filtered, ordered.

use crate::script;
use crate::world::World;
use chrono::{DateTime, Utc};
use netpatch_auth::Role;
use netpatch_inventory_api::{Deadline, Standard};
use netpatch_types::Clock as _;
use serde_json::{Value, json};
use uuid::Uuid;

const FINDINGS: &str = "query($filter: FindingFilter, $orderBy: FindingOrder) { findings(first: 1, filter: $filter, orderBy: $orderBy) { \
    nodes { isOverdue remediationDeadline deadline { dueAt reason baselineName standard sourceUrl requiresForensicTriage isOverdue } } } }";

/// A world whose services answer with this deadline.
async fn with(deadline: impl FnOnce(DateTime<Utc>) -> Deadline) -> (World, String) {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Auditor).await;
    let (own, now) = (world.own, world.clock.now());
    let deadline = json!(deadline(now));
    world.script.answer_with(move |method, _| {
        let id = json!(Uuid::from_u128(7));
        let mut node = match method {
            "finding_list" => script::finding(own, id, now),
            "queue_list" => {
                json!({"patch": script::patch(id, now), "tenant": own, "hosts": 3, "findings": 4,
                    "risk": script::risk(), "first_seen_at": now})
            }
            _ => return None,
        };
        node["deadline"] = deadline.clone();
        Some(Ok(script::page(node)))
    });
    (world, token)
}

fn missed(now: DateTime<Utc>) -> Deadline {
    Deadline {
        due_at: Some(now - chrono::Duration::days(1)),
        baseline: "federal".into(),
        standard: Standard::CisaBod2604,
        reason: "CISA BOD 26-04: 3 days".into(),
        forensic_triage: true,
        moved_by: None,
    }
}

#[tokio::test]
async fn a_deadline_is_shown_with_its_reason() {
    let (world, token) = with(missed).await;
    let answer = world.ask(&token, FINDINGS, json!({})).await.json();
    let node = &answer["data"]["findings"]["nodes"][0];
    assert_eq!(node["isOverdue"], true, "{answer}");
    assert_eq!(node["remediationDeadline"], node["deadline"]["dueAt"]);
    assert_eq!(
        node["deadline"]["sourceUrl"],
        Standard::CisaBod2604.publication().url
    );
    let rest = json!({"baselineName": "federal", "standard": "CISA_BOD_2604", "reason": "CISA BOD 26-04: 3 days",
        "requiresForensicTriage": true, "isOverdue": true});
    for (key, value) in rest.as_object().unwrap() {
        assert_eq!(&node["deadline"][key], value, "{key}");
    }
    let queue = "{ queue(first: 1) { nodes { isOverdue deadline { isOverdue reason } } } }";
    let answer = world.ask(&token, queue, json!({})).await.json();
    let node = &answer["data"]["queue"]["nodes"][0];
    assert_eq!(
        (&node["isOverdue"], &node["deadline"]["isOverdue"]),
        (&json!(true), &json!(true)),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_due_with_the_next_upgrade_has_a_reason_and_no_date() {
    let (world, token) = with(|now| Deadline {
        due_at: None,
        standard: Standard::Own,
        ..missed(now)
    })
    .await;
    let answer = world.ask(&token, FINDINGS, json!({})).await.json();
    let node = &answer["data"]["findings"]["nodes"][0];
    assert_eq!(
        (&node["isOverdue"], &node["remediationDeadline"]),
        (&json!(false), &Value::Null),
        "{answer}"
    );
    assert_eq!(
        (&node["deadline"]["dueAt"], &node["deadline"]["sourceUrl"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn filters_and_orders_reach_the_service_and_nonsense_does_not() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Auditor).await;
    let arguments = json!({"filter": {"isOverdue": true, "dueWithinDays": 7}, "orderBy": {"field": "DEADLINE"}});
    let asked = async |query: &str, method: &str| {
        world.script.forget();
        let answer = world.ask(&token, query, arguments.clone()).await.json();
        assert!(answer["errors"].is_null(), "{answer}");
        let calls = world.script.calls();
        calls
            .into_iter()
            .find(|call| call.method == method)
            .unwrap()
            .body
    };
    let body = asked(FINDINGS, "finding_list").await;
    assert_eq!(
        (
            &body["order"],
            &body["filter"]["overdue"],
            &body["filter"]["due_within_days"]
        ),
        (&json!("deadline"), &json!(true), &json!(7))
    );
    let queue = "query($filter: QueueFilter, $orderBy: FindingOrder) { queue(first: 1, filter: $filter, orderBy: $orderBy) { pageInfo { endCursor } } }";
    let body = asked(queue, "queue_list").await;
    assert_eq!(
        (&body["order"], &body["overdue"], &body["due_within_days"]),
        (&json!("deadline"), &json!(true), &json!(7))
    );
    // A cursor of one order is no cursor of the other.
    let page = world.ask(&token, queue, arguments.clone()).await.json();
    let cursor = &page["data"]["queue"]["pageInfo"]["endCursor"];
    let by_risk =
        "query($after: String) { queue(first: 1, after: $after) { nodes { hostCount } } }";
    let answer = world
        .ask(&token, by_risk, json!({"after": cursor}))
        .await
        .json();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    for days in [-1, 3651] {
        for query in [FINDINGS, queue] {
            let filter = json!({"filter": {"dueWithinDays": days}});
            let answer = world.ask(&token, query, filter).await.json();
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
                "{days}: {answer}"
            );
        }
    }
}

/// Runs a mutation as an owner; its payload and what reached the service.
async fn change(world: &World, field: &str, input: Value) -> (Value, Option<Value>) {
    let token = world.bearer(world.own, Role::Owner).await;
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    let document = format!(
        "mutation($input: {kind}!) {{ {field}(input: $input) {{ userErrors {{ code message path }} }} }}"
    );
    world.script.forget();
    let answer = world
        .ask(&token, &document, json!({"input": input}))
        .await
        .json();
    let calls = world.script.calls();
    let asked = calls
        .into_iter()
        .find(|call| !call.method.ends_with("_get"));
    (answer["data"][field].clone(), asked.map(|call| call.body))
}

#[tokio::test]
async fn a_baseline_reaches_the_service_as_it_was_written() {
    let world = World::new().await;
    let input = |rule: Value| {
        json!({"organizationId": world.id(world.own), "name": "ours", "standard": "OWN", "idempotencyKey": Uuid::new_v4(),
            "rules": [rule]})
    };
    let rule = json!({"name": "cde", "severities": ["HIGH"], "isKnownExploited": false, "isExposed": true, "withinDays": 30,
        "clockStart": "PUBLISHED", "labels": [{"key": "zone", "values": ["cde"]}]});
    let (payload, body) = change(&world, "baselineCreate", input(rule)).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let expected = json!({"name": "ours", "standard": "own", "group": null, "followed": true, "rules": [{
        "name": "cde", "severities": ["high"], "kev": false, "exposed": true, "within_days": 30, "clock": "published",
        "labels": {"any_of": {"zone": ["cde"]}, "none_of": {}}}]});
    assert_eq!(body.unwrap()["spec"], expected);
    // What cannot be days, or is no selector, reaches nobody.
    let no_values = json!([{"key": "zone", "values": []}]);
    for (rule, path) in [
        (json!({"name": "a", "withinDays": -1}), "withinDays"),
        (
            json!({"name": "a", "withinDays": 1, "labels": no_values}),
            "selector",
        ),
    ] {
        let (payload, body) = change(&world, "baselineCreate", input(rule)).await;
        let error = &payload["userErrors"][0];
        assert_eq!(error["code"], "BAD_USER_INPUT", "{payload}");
        assert!(error["path"].to_string().contains(path), "{payload}");
        assert_eq!(body, None);
    }
    // A group of another organization is none.
    let foreign = json!({"organizationId": world.id(world.own), "name": "ours", "standard": "CISA_BOD_2604", "idempotencyKey": "g",
        "groupId": crate::tenancy::public("group", world.foreign)});
    let (payload, body) = change(&world, "baselineCreate", foreign).await;
    assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND", "{payload}");
    assert_eq!(body, None);
}

#[tokio::test]
async fn weights_name_every_input_once() {
    let world = World::new().await;
    let all = [
        "KEV",
        "RANSOMWARE",
        "EPSS",
        "CVSS",
        "SSVC",
        "EXPOSURE",
        "CRITICALITY",
    ];
    let input = |weights: Vec<Value>| json!({"organizationId": world.id(world.own), "weights": weights, "ifMatch": "3", "idempotencyKey": Uuid::new_v4()});
    let weight = |kind: &str, points: i32| json!({"kind": kind, "points": points});
    let whole: Vec<Value> = all.iter().map(|kind| weight(kind, 14)).collect();
    let (payload, body) = change(&world, "riskWeightsSet", input(whole.clone())).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let body = body.unwrap();
    assert_eq!(
        (&body["if_match"], &body["weights"]["criticality"]),
        (&json!("3"), &json!(14))
    );
    let without = whole[1..].to_vec();
    let mut twice = whole.clone();
    twice.push(weight("KEV", 1));
    let mut negative = without.clone();
    negative.push(weight("KEV", -1));
    let mut huge = without.clone();
    huge.push(weight("KEV", 101));
    for broken in [without, twice, negative, huge] {
        let (payload, body) = change(&world, "riskWeightsSet", input(broken)).await;
        assert_eq!(
            payload["userErrors"][0]["code"], "BAD_USER_INPUT",
            "{payload}"
        );
        assert_eq!(body, None);
    }
}

#[tokio::test]
async fn a_revoked_standard_is_named_with_its_successor() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Auditor).await;
    let query = "{ standards { standard name sourceUrl takesRules revokedOn revokedBy } }";
    let answer = world.ask(&token, query, json!({})).await.json();
    let standards = answer["data"]["standards"].as_array().unwrap();
    let find = |word: &str| {
        let found = standards.iter().find(|one| one["standard"] == word);
        found.unwrap_or_else(|| panic!("{word} in {answer}"))
    };
    let revoked = find("CISA_BOD_2201");
    assert_eq!(
        (&revoked["revokedOn"], &revoked["revokedBy"]),
        (&json!("2026-06-10"), &json!("CISA_BOD_2604"))
    );
    assert_eq!(find("CISA_BOD_2604")["revokedOn"], Value::Null);
    assert_eq!(
        (&find("OWN")["takesRules"], &find("OWN")["sourceUrl"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(find("PCI_DSS_401")["takesRules"], false);
}
