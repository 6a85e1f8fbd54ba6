//! Deadlines of findings and of the queue: shown with their reasons, filtered, ordered.

use crate::script;
use crate::world::World;
use chrono::{DateTime, Utc};
use netpatch_auth::Role;
use netpatch_inventory_api::{Deadline, Standard};
use netpatch_types::Clock as _;
use serde_json::{Value, json};

const FINDINGS: &str = "query($filter: FindingFilter, $orderBy: FindingOrder) { findings(first: 1, filter: $filter, orderBy: $orderBy) { \
    nodes { isOverdue remediationDeadline deadline { dueAt reason baselineName standard sourceUrl requiresForensicTriage isOverdue } } } }";

/// A world whose services answer with this deadline.
async fn with(deadline: impl FnOnce(DateTime<Utc>) -> Deadline) -> (World, String) {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Auditor).await;
    let (own, now) = (world.own, world.clock.now());
    let deadline = json!(deadline(now));
    world.script.answer_with(move |method, _| {
        let id = json!(uuid::Uuid::from_u128(7));
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
