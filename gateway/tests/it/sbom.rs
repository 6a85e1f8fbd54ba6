//! Bills of materials against the official schema of CycloneDX 1.6.

use crate::tenancy::public;
use crate::world::World;
use axum::http::StatusCode;
use netpatch_auth::Role;
use netpatch_inventory_api::{
    Advisory, Component, SbomAffected, SbomFindingPage, SbomHost, SbomHostPage, SbomVulnerability,
};
use netpatch_types::{
    AdvisoryId, Clock as _, ComponentId, ComponentKey, Ecosystem, HostId, ServiceError, Severity,
};
use serde_json::{Value, json};
use std::path::Path;
use uuid::Uuid;

fn schema() -> Value {
    let read = |name: &str| -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/cyclonedx")
            .join(format!("{name}.zst"));
        let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let mut schema = read("bom-1.6.schema.json");
    let licences = read("spdx.schema.json")["enum"].clone();
    assert!(licences.as_array().is_some_and(|all| all.len() > 100));
    replace(&mut schema, &licences);
    schema
}

/// Puts the other documents of the schema into it: the licences, and for signatures (which are never written) anything.
fn replace(value: &mut Value, licences: &Value) {
    match value.get("$ref").and_then(Value::as_str) {
        Some("spdx.schema.json") => *value = json!({"enum": licences}),
        Some(reference) if reference.starts_with("jsf-") => *value = json!({}),
        _ => match value {
            Value::Object(map) => map.values_mut().for_each(|one| replace(one, licences)),
            Value::Array(list) => list.iter_mut().for_each(|one| replace(one, licences)),
            _ => {}
        },
    }
}

fn component(number: u128, ecosystem: Ecosystem, name: &str) -> Component {
    Component {
        id: ComponentId(Uuid::from_u128(number)),
        key: ComponentKey {
            ecosystem,
            distribution: "debian".into(),
            release: "bookworm".into(),
            name: name.into(),
            version: "1:2.0+b1~\"x\"".into(),
            arch: "amd64".into(),
            source: name.into(),
            source_version: "1:2.0".into(),
        },
    }
}

/// Two hosts on two pages that share a component; two advisories, one of a component that appeared meanwhile.
fn fleet(world: &World) {
    let now = world.clock.now();
    let (own, shared, late) = (
        component(1, Ecosystem::Deb, "libstdc++6"),
        component(2, Ecosystem::Npm, "@angular/core"),
        ComponentId(Uuid::from_u128(3)),
    );
    let host = move |tenant: Value, number: u128, hostname: &str| -> netpatch_inventory_api::Host {
        let facts = netpatch_inventory_api::HostFacts {
            hostname: hostname.into(),
            os_id: "debian".into(),
            os_version: "12".into(),
            os_name: "Debian \"12\"".into(),
            vendor: "Acme".into(),
            serial: "S-1".into(),
            ..Default::default()
        };
        serde_json::from_value(json!({"id": Uuid::from_u128(number), "tenant": tenant, "site": Uuid::from_u128(7), "facts": facts, "labels": {},
            "groups": [], "ring": "broad", "time_zone": "", "manifest": null, "registered_at": now, "last_seen_at": now, "last_scan_at": now,
            "scan_problem": "", "relay": null, "quarantined": false, "open_findings": {}, "etag": "1"}))
        .unwrap()
    };
    let advisory = move |name: &str, vector: Option<&str>| -> Advisory {
        serde_json::from_value(json!({"id": AdvisoryId::of("x", name), "name": name, "vendor_refs": [], "cves": [name], "summary": "over\nflow",
            "severity": Severity::High, "cvss_score": vector.map(|_| 7.5), "cvss_vector": vector, "epss": 0.01, "kev": true, "ransomware": false,
            "published_at": now, "feed": "debian", "url": "https://example.com/x"}))
        .unwrap()
    };
    world.script.answer_with(move |method, body| {
        let tenant = body["tenant"].clone();
        Some(Ok(match method {
            "sbom_hosts" => {
                let is_first = body["after"].is_null();
                let is_one = !body["host"].is_null();
                let (number, name, components) = if is_first {
                    (7, "web", vec![own.clone(), shared.clone()])
                } else {
                    (8, "db", vec![shared.clone()])
                };
                let mut ids: Vec<ComponentId> = components.iter().map(|one| one.id).collect();
                ids.push(late);
                json!(SbomHostPage {
                    hosts: vec![SbomHost {
                        host: host(tenant, number, name),
                        components: ids
                    }],
                    components: if body["described"] == json!(true) {
                        components
                    } else {
                        vec![]
                    },
                    next: (is_first && !is_one).then(|| "db".to_owned()),
                })
            }
            "sbom_findings" => {
                let is_first = body["after"].is_null();
                let affected = |component| SbomAffected {
                    component,
                    fixed_version: "1:2.1".into(),
                };
                let vulnerability = |name: &str, vector, component| SbomVulnerability {
                    advisory: advisory(name, vector),
                    affects: vec![affected(component), affected(late)],
                };
                json!(SbomFindingPage {
                    vulnerabilities: if is_first {
                        vec![
                            vulnerability(
                                "CVE-2026-1",
                                Some("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"),
                                own.id,
                            ),
                            vulnerability("CVE-2026-2", None, late),
                        ]
                    } else {
                        vec![vulnerability(
                            "CVE-2026-3",
                            Some("AV:N/AC:L/Au:N/C:P/I:P/A:P"),
                            shared.id,
                        )]
                    },
                    next: is_first.then_some(5),
                })
            }
            _ => return None,
        }))
    });
}

fn names<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one[field].as_str())
        .collect()
}

/// No reference of the document leads nowhere, and none is defined twice.
fn assert_closed(document: &Value) {
    let mut refs = names(&document["components"], "bom-ref");
    refs.push(
        document["metadata"]["component"]["bom-ref"]
            .as_str()
            .unwrap(),
    );
    let count = refs.len();
    refs.sort_unstable();
    refs.dedup();
    assert_eq!(refs.len(), count, "a reference is defined twice");
    let affects = document["vulnerabilities"].as_array().unwrap().iter();
    let named = names(&document["dependencies"], "ref").into_iter().chain(
        document["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|one| one["dependsOn"].as_array().unwrap())
            .filter_map(Value::as_str),
    );
    for reference in named.chain(affects.flat_map(|one| names(&one["affects"], "ref"))) {
        assert!(
            refs.binary_search(&reference).is_ok(),
            "{reference} leads nowhere"
        );
    }
}

#[tokio::test]
async fn a_host_and_a_fleet_are_valid_documents_whose_references_hold() {
    let world = World::new().await;
    let token = world.bearer(world.own, Role::Auditor).await;
    let authorization = format!("Bearer {token}");
    let schema = schema();
    fleet(&world);
    let host = format!("/sbom/hosts/{}", public("host", world.own));
    let fleet = format!("/sbom/fleet?organizationId={}", world.id(world.own));
    let subjects = [
        format!(
            "host:{}",
            HostId::parse_public(&public("host", world.own)).unwrap().1
        ),
        format!("organization:{}", world.own),
    ];
    for (path, kind, components) in [
        (
            host,
            "device",
            vec!["debian", "libstdc++6", "@angular/core"],
        ),
        (
            fleet,
            "platform",
            vec![
                "web",
                "debian",
                "libstdc++6",
                "@angular/core",
                "db",
                "debian",
            ],
        ),
    ] {
        let answer = world.get(&path, &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(answer.header("content-type").contains("cyclonedx"));
        assert!(answer.header("content-disposition").contains(".cdx.json"));
        let document = answer.json();
        let errors = crate::json_schema::errors(&schema, &document);
        assert!(errors.is_empty(), "{path}: {errors:#?}");
        assert_closed(&document);
        assert_eq!(document["metadata"]["component"]["type"], kind);
        assert_eq!(names(&document["components"], "name"), components, "{path}");
        assert_eq!(
            names(&document["vulnerabilities"], "id"),
            ["CVE-2026-1", "CVE-2026-3"],
            "what appeared meanwhile waits for the next document"
        );
        let first = &document["vulnerabilities"][0];
        assert_eq!(first["ratings"][0]["method"], "CVSSv31");
        assert_eq!(first["affects"].as_array().unwrap().len(), 1);
    }
    let logged: Vec<_> = world
        .script
        .calls()
        .into_iter()
        .filter(|call| call.method == "ledger_append")
        .map(|call| (call.ctx.write, call.body["entries"].clone()))
        .collect();
    for ((of, entries), subject) in logged.iter().zip(&subjects) {
        let entry = &entries[0];
        assert_eq!(
            (*of, entries.as_array().unwrap().len()),
            (Some(world.own), 1)
        );
        assert_eq!(entry["actor"]["display"], "auditor");
        assert_eq!(
            (
                &entry["action"],
                &entry["subject"],
                &entry["details"]["actor_kind"]
            ),
            (&json!("sbom.exported"), &json!(subject), &json!("user"))
        );
    }
    assert_eq!(logged.len(), 2);
    // What the ledger does not have is not handed out.
    world.script.answer_with(|method, _| match method {
        "ledger_append" => Some(Err(ServiceError::unavailable("ledger"))),
        "sbom_hosts" => Some(Ok(json!(SbomHostPage::default()))),
        _ => None,
    });
    let fleet = format!("/sbom/fleet?organizationId={}", world.id(world.own));
    let refused = world
        .get(&fleet, &[("authorization", &authorization)])
        .await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.text
    );
    // The schema is not one that takes anything.
    let wrong = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "thing", "name": "x"}]});
    assert_eq!(crate::json_schema::errors(&schema, &wrong).len(), 1);
}

#[tokio::test]
async fn a_document_is_for_who_may_report_in_its_organization() {
    let world = World::new().await;
    fleet(&world);
    let owner = format!("Bearer {}", world.bearer(world.own, Role::Owner).await);
    let operator = format!(
        "Bearer {}",
        world.bearer(world.own, Role::SiteOperator).await
    );
    let own = format!("/sbom/hosts/{}", public("host", world.own));
    let foreign = format!("/sbom/hosts/{}", public("host", world.foreign));
    let fleet = |of| format!("/sbom/fleet?organizationId={}", world.id(of));
    world.script.forget();
    for (path, who, status) in [
        (own.clone(), None, StatusCode::UNAUTHORIZED),
        (own, Some(&operator), StatusCode::FORBIDDEN),
        (foreign, Some(&owner), StatusCode::NOT_FOUND),
        (
            "/sbom/hosts/nonsense".to_owned(),
            Some(&owner),
            StatusCode::NOT_FOUND,
        ),
        (fleet(world.foreign), Some(&owner), StatusCode::NOT_FOUND),
        (
            "/sbom/fleet".to_owned(),
            Some(&owner),
            StatusCode::BAD_REQUEST,
        ),
        (fleet(world.own), Some(&operator), StatusCode::FORBIDDEN),
    ] {
        let headers: Vec<(&str, &str)> = who
            .map(|token| ("authorization", token.as_str()))
            .into_iter()
            .collect();
        let answer = world.get(&path, &headers).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    assert!(world.script.calls().is_empty());
}
