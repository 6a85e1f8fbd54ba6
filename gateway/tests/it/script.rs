//! Services that answer every call with an object of the organization that is asked for, and remember who asked for what.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use netpatch_chassis::rpc::key::{ContextKeys, ContextVerifier};
use netpatch_chassis::rpc::{CONTEXT_HEADER, RpcClient, RpcService, Transport};
use netpatch_types::{OrganizationId, RequestContext, ServiceError, SharedClock};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// A call that reached a service.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub method: String,
    pub ctx: RequestContext,
    pub body: Value,
}

/// What the services do when a method is called; `None`: the usual answer.
pub(crate) type Override =
    Arc<dyn Fn(&str, &Value) -> Option<Result<Value, ServiceError>> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Script {
    verifier: ContextVerifier,
    keys: Arc<ContextKeys>,
    clock: SharedClock,
    calls: Arc<Mutex<Vec<Call>>>,
    pub special: Arc<Mutex<Option<Override>>>,
}

impl Script {
    pub(crate) fn new(clock: SharedClock) -> Self {
        let keys = ContextKeys::random();
        Self {
            verifier: keys.verifier(clock.clone()),
            keys: Arc::new(keys),
            clock,
            calls: Arc::default(),
            special: Arc::default(),
        }
    }

    pub(crate) fn api<Api: RpcService + ?Sized>(&self) -> Arc<Api> {
        let router = Router::new()
            .route("/rpc/{service}/{method}", post(call))
            .with_state(self.clone());
        Api::client(RpcClient::new(
            Api::NAME,
            Transport::memory(router),
            self.keys.signer(self.clock.clone()),
        ))
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.calls.lock().unwrap().clear();
    }

    pub(crate) fn answer_with(
        &self,
        special: impl Fn(&str, &Value) -> Option<Result<Value, ServiceError>> + Send + Sync + 'static,
    ) {
        *self.special.lock().unwrap() = Some(Arc::new(special));
    }
}

async fn call(
    State(script): State<Script>,
    Path((service, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get(CONTEXT_HEADER).unwrap().to_str().unwrap();
    let ctx = script.verifier.verify(&service, token).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    script.calls.lock().unwrap().push(Call {
        method: method.clone(),
        ctx: ctx.clone(),
        body: body.clone(),
    });
    let special = script.special.lock().unwrap().clone();
    let answer = special
        .and_then(|special| special(&method, &body))
        .unwrap_or_else(|| usual(&method, &ctx, &body, script.clock.now()));
    match answer {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(error) => (
            StatusCode::from_u16(error.code.http_status()).unwrap(),
            axum::Json(error),
        )
            .into_response(),
    }
}

/// The object's id as asked for, else one that is always the same.
fn id(body: &Value) -> Value {
    body.get("id")
        .cloned()
        .unwrap_or_else(|| json!(Uuid::from_u128(7)))
}

pub(crate) fn page(node: Value) -> Value {
    json!({"rows": [{"cursor": "7", "node": node}], "has_next": true, "total": 12_000})
}

fn usual(
    method: &str,
    ctx: &RequestContext,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<Value, ServiceError> {
    let tenant = ctx.write.or(ctx.read.first().copied()).unwrap();
    Ok(match method {
        "events" => json!({"events": [], "next": {"epoch": 1, "xid": 1, "id": 1}}),
        "host_get" | "host_update" => host(tenant, id(body), now),
        "host_list" => page(host(
            tenant,
            body["filter"]["ids"]
                .get(0)
                .cloned()
                .unwrap_or_else(|| id(body)),
            now,
        )),
        "asset_get" => asset(tenant, id(body), now),
        "asset_list" => page(asset(tenant, id(body), now)),
        "asset_upsert" => {
            json!({"asset": asset(tenant, json!(Uuid::from_u128(7)), now), "outcome": "changed"})
        }
        "software_import" => json!({
            "host": Uuid::from_u128(7), "asset": Uuid::from_u128(8), "left": "", "is_new_host": true, "is_changed": true, "components": 2,
            "skipped": [{"reason": "no_purl", "count": 1, "examples": ["odd"]}], "opened": 1, "evaluated": true,
        }),
        "asset_import" | "asset_file_import" => {
            json!({"created": 1, "changed": 0, "unchanged": 0, "ambiguous": 0, "errors": [], "error_count": 0, "ignored_columns": []})
        }
        "asset_delete" => json!({}),
        "component_list" => page(json!({"id": Uuid::from_u128(8), "key": component()})),
        "group_list" => json!([group(tenant, json!(Uuid::from_u128(7)))]),
        "group_create" => group(tenant, id(body)),
        "finding_get" => finding(tenant, id(body), now),
        "finding_list" => page(finding(tenant, id(body), now)),
        "finding_group_list" => page(
            json!({"key": {"patch": [tenant, id(body)]}, "hosts": 3, "findings": 4, "score": 70.5, "severity": "high",
            "kev": false, "first_seen_at": now}),
        ),
        "queue_list" => page(
            json!({"patch": patch(id(body), now), "tenant": tenant, "hosts": 3, "findings": 4,
            "risk": risk(), "first_seen_at": now}),
        ),
        "risk_weights_get" | "risk_weights_set" => {
            json!({"tenant": tenant, "version": 1, "weights": netpatch_inventory_api::RiskWeights::default(),
                "changed_at": now, "changed_by": actor(tenant)})
        }
        "patch_get" => patch(id(body), now),
        "patch_list" => page(patch(id(body), now)),
        "patch_refusals" => json!([]),
        "advisory_get" => advisory(now),
        "feed_list" | "feed_accept" => {
            json!([{"name": "kev", "records": 3, "skipped": 0, "problem": null, "data_as_of": now, "imported_at": now,
            "licence": "CC0", "limits": "none"}])
        }
        "policy_get" | "policy_create" | "policy_update" => policy(tenant, id(body)),
        "policy_list" => page(policy(tenant, id(body))),
        "policy_evaluate" => json!([approval(tenant, id(body), now)]),
        "policy_explain" => {
            json!({"sentence": "A person must approve.", "policy": null, "rule": null, "decision": {"decision": "approve"}})
        }
        "baseline_get" | "baseline_create" | "baseline_update" | "baseline_archive" => {
            baseline(tenant, id(body))
        }
        "exception_get" | "exception_request" | "exception_end" => exception(tenant, id(body), now),
        "exception_list" => page(exception(tenant, id(body), now)),
        "hardware_rules_get" | "hardware_rules_set" => {
            json!({"tenant": tenant, "version": 1, "rules": [], "changed_at": null, "changed_by": null})
        }
        "baseline_list" => page(baseline(tenant, id(body))),
        "window_get" | "window_create" | "window_update" => window(tenant, id(body)),
        "window_list" => page(window(tenant, id(body))),
        "window_preview" => json!([{"start": now, "end": now + chrono::Duration::hours(2)}]),
        "approval_get" | "approval_decide" | "approval_request" => approval(tenant, id(body), now),
        "approval_list" => page(approval(tenant, id(body), now)),
        "scan_schedule_list" => {
            json!([{"site": body["sites"][0], "rule": {"cron": "30 3 * * *", "jitter_seconds": 900}}])
        }
        "site_way_set" => body.clone(),
        "scan_schedule_set" => json!({"site": body["site"], "rule": body["rule"]}),
        "block_list" | "block_set" => json!([{"package": "linux-*", "reason": "frozen"}]),
        "deployment_get" | "deployment_pause" | "deployment_resume" | "deployment_halt"
        | "deployment_cancel" => deployment(tenant, id(body), now),
        "deployment_list" => page(deployment(tenant, id(body), now)),
        "deployment_create" => {
            let made = if body["dry_run"] == json!(true) {
                Value::Null
            } else {
                deployment(tenant, id(body), now)
            };
            json!({"deployment": made, "waves": [{"ordinal": 1, "hosts": 1, "hostnames": ["a"]}], "hosts": 1, "payload_bytes": 10,
                "missing": [], "windows": []})
        }
        "wave_list" => json!([wave(tenant, id(body))]),
        "wave_get" => wave(tenant, id(body)),
        "run_list" => page(run(tenant, id(body))),
        "run_get" => run(tenant, id(body)),
        "ledger_list" => page(ledger_entry(tenant, id(body), now)),
        "ledger_get" => ledger_entry(tenant, id(body), now),
        "ledger_append" => {
            let entries = body["entries"].as_array().map_or(0, Vec::len);
            json!((0..entries).collect::<Vec<_>>())
        }
        "compliance_get" | "compliance_snapshot" => snapshot(tenant, now),
        "compliance_history" => {
            json!({"rows": [{"cursor": "7", "node": snapshot(tenant, now)}], "has_next": false, "total": 1})
        }
        "report_create" | "report_get" => report(tenant, id(body), now),
        "report_list" => page(report(tenant, id(body), now)),
        "report_content" => {
            json!({"media_type": "text/csv", "file_name": "findings.csv", "base64": "YSxiCg=="})
        }
        "webhook_list" => json!([webhook(tenant, now)]),
        "webhook_create" => json!({"webhook": webhook(tenant, now), "secret": "whsec_once"}),
        "webhook_delete" => json!({}),
        "webhook_deliveries" => {
            json!({"rows": [{"cursor": "7", "node": delivery(json!(Uuid::from_u128(7)), now)}], "has_next": false, "total": 1})
        }
        "webhook_replay" => delivery(id(body), now),
        other => return Err(ServiceError::not_found(other)),
    })
}

fn host(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "site": Uuid::from_u128(7), "facts": netpatch_inventory_api::HostFacts { hostname: "host-1".into(), ..Default::default() },
        "labels": {}, "groups": [], "ring": "broad", "time_zone": "", "manifest": null, "registered_at": now, "last_seen_at": now,
        "last_scan_at": now, "scan_problem": "", "relay": null, "quarantined": false, "open_findings": {"high": 2}, "etag": "1"})
}

fn asset(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "link": {"state": "linked", "host": Uuid::from_u128(7), "rule": "serial"}, "site": Uuid::from_u128(7),
        "inventory_number": "A-1", "hostname": "host-1", "machine_id": "", "serial": "S", "vendor": "", "model": "", "owner": "ada",
        "department": "", "location": "", "tier": "server", "criticality": "high", "tags": ["pci"], "warranty_end": "2027-01-31",
        "end_of_life": null, "origin": "csv", "etag": "1.1", "created_at": now, "updated_at": now})
}

fn component() -> Value {
    json!({"ecosystem": "deb", "distribution": "debian", "release": "bookworm", "name": "bash", "version": "5", "arch": "amd64",
        "source": "bash", "source_version": "5"})
}

fn group(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "name": "servers", "selector": {"any_of": {"tier": ["server"]}, "none_of": {}}})
}

pub(crate) fn risk() -> Value {
    json!({"score": 42.0, "terms": [], "missing": []})
}

fn advisory(now: DateTime<Utc>) -> Value {
    json!({"id": Uuid::from_u128(9), "name": "CVE-2026-1", "vendor_refs": [], "cves": ["CVE-2026-1"], "summary": "", "severity": "high",
        "cvss_score": 7.5, "cvss_vector": null, "epss": null, "kev": false, "ransomware": false, "published_at": now, "feed": "debian", "url": null})
}

pub(crate) fn finding(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "host": Uuid::from_u128(7), "hostname": "host-1", "site": Uuid::from_u128(7), "advisory": advisory(now),
        "component": component(), "applicability": "installable", "patch": Uuid::from_u128(7), "risk": risk(),
        "evidence": {"feed": "debian", "record": "r", "record_digest": "0".repeat(64), "rule": "debian-source", "installed_version": "1",
            "fixed_version": "2", "comparator": "dpkg"}, "first_seen_at": now, "resolved_at": null})
}

pub(crate) fn patch(id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "name": "bash", "distribution": "debian", "release": "bookworm", "fixed_version": "2", "classification": "security",
        "severity": "high", "advisories": [], "cvss_score": null, "epss": null, "kev": false, "origin_label": "Debian-Security",
        "first_seen_at": now, "hosts": 3, "superseded_by": null})
}

fn policy(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "etag": "1", "spec": {"name": "p", "enabled": true, "group": null, "rules": [],
        "rollout": netpatch_policy_api::Rollout::default(), "windows": [], "automatic": false}})
}

fn window(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "etag": "1", "spec": {"name": "nightly", "blackout": false,
        "rule": {"rrule": "FREQ=DAILY", "starts_at": "2026-01-01T02:00:00", "duration_s": 7200, "offset_days": 0, "time_zone": null}}})
}

fn baseline(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "etag": "1", "archived_at": null, "spec": {"name": "ours", "standard": "own", "group": null,
        "rules": [{"name": "all", "within_days": 14}], "followed": true}})
}

fn exception(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "status": "in_force", "requested_by": actor(tenant), "requested_at": now, "ended_at": null,
        "approval": approval(tenant, json!(Uuid::from_u128(7)), now), "spec": {"name": "late", "owner": "Ada", "reason": "no fix",
        "until": now, "covers": {"packages": ["curl"]}}})
}

fn actor(tenant: OrganizationId) -> Value {
    json!({"kind": "system", "id": Uuid::nil(), "home": tenant, "display": "job", "delegation": null})
}

fn approval(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "subject": {"subject": "patch", "patch": Uuid::from_u128(7), "group": null}, "status": "awaiting",
        "policy": null, "rule": null, "automatic": false, "requested_by": actor(tenant), "requested_at": now, "required": 1, "decisions": [],
        "content_digest": null, "expires_at": null, "logged": false, "title": "bash 2 for all hosts"})
}

fn deployment(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "name": "d", "policy": Uuid::from_u128(7), "patches": [Uuid::from_u128(7)], "status": "running",
        "reason": "", "approval": null, "created_by": actor(tenant), "created_at": now, "started_at": null, "ended_at": null,
        "not_after": now, "etag": "1"})
}

fn wave(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "deployment": Uuid::from_u128(7), "ordinal": 1, "status": "open", "reason": "",
        "counts": netpatch_scheduler_api::WaveCounts { total: 3, pending: 3, ..Default::default() }, "opened_at": null, "ended_at": null})
}

fn run(tenant: OrganizationId, id: Value) -> Value {
    json!({"id": id, "tenant": tenant, "deployment": Uuid::from_u128(7), "wave": Uuid::from_u128(7), "host": Uuid::from_u128(7), "sequence": 1,
        "attempt": 1, "status": "staging", "silent": false, "confirmed": null, "error": null, "started_at": null, "ended_at": null,
        "last_event_at": null, "bytes_from_relay": 1, "bytes_from_origin": 2, "events": []})
}

fn ledger_entry(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "sequence": 0, "at": now, "action": "a", "actor": actor(tenant), "subject": "s", "document": null,
        "details": {}, "leaf_hash": "0".repeat(64), "leaf": [1, 2]})
}

fn snapshot(tenant: OrganizationId, now: DateTime<Utc>) -> Value {
    json!({"id": Uuid::from_u128(7), "tenant": tenant, "as_of": now, "provisional": false, "label": "manual", "deployment": null, "cells": []})
}

fn report(tenant: OrganizationId, id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "tenant": tenant, "kind": {"kind": "findings_csv", "guard_formulas": false}, "status": "ready", "message": "",
        "file_name": "findings.csv", "sha256": null, "size_bytes": 4, "created_at": now, "expires_at": null})
}

fn webhook(tenant: OrganizationId, now: DateTime<Utc>) -> Value {
    json!({"id": Uuid::from_u128(7), "tenant": tenant, "url": "https://example.com", "events": [], "disabled_reason": "", "created_at": now})
}

fn delivery(id: Value, now: DateTime<Utc>) -> Value {
    json!({"id": id, "webhook": Uuid::from_u128(7), "event": "finding.critical", "body": "{}", "attempts": 1, "last_status": 200,
        "last_error": "", "delivered_at": now, "next_attempt_at": null, "created_at": now})
}
