//! Direct edges between crates of this workspace: every one not listed here is an error.
//!
//! The reasons stand in `infra/docs/architecture.md`; a new edge needs a decision record.

use crate::graph::Graph;
use std::collections::BTreeSet;

const SERVICES: [&str; 4] = ["inventory", "policy", "scheduler", "reporting"];

/// What a crate may use, without the product's prefix. `types` may be used by all.
fn allowed(name: &str) -> Option<Vec<String>> {
    let list = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    let apis = || SERVICES.iter().map(|service| format!("{service}-api"));
    let with_apis = |names: &[&str]| {
        Some(
            names
                .iter()
                .map(ToString::to_string)
                .chain(apis())
                .collect::<Vec<_>>(),
        )
    };
    match name {
        "types" => Some(Vec::new()),
        "window" | "proof" | "chassis" | "storage" => list(&["types"]),
        "testkit" => list(&["types", "chassis", "storage"]),
        "protocol" => list(&["types", "window", "proof"]),
        "delta" => list(&["types"]),
        "tunnel" | "relay-core" => list(&["types", "window", "proof", "protocol"]),
        "agent-core" => list(&["types", "window", "proof", "protocol"]),
        "agent" => list(&[
            "types",
            "agent-core",
            "tunnel",
            "protocol",
            "proof",
            "window",
        ]),
        "relay" => list(&[
            "types",
            "relay-core",
            "delta",
            "tunnel",
            "protocol",
            "proof",
        ]),
        // For tests: real hosts, a relay of its own, the real edge.
        "hostile" => with_apis(&[
            "types",
            "agent",
            "agent-core",
            "delta",
            "gateway",
            "proof",
            "protocol",
            "relay",
            "storage",
            "tunnel",
        ]),
        // It issues identities and enrolment tokens, whose written form the protocol owns.
        "auth" => list(&["types", "chassis", "storage", "proof", "protocol"]),
        "gateway" => with_apis(&[
            "types", "auth", "protocol", "tunnel", "chassis", "storage", "proof",
        ]),
        // It knows where payloads lie, so it makes the differences between them (ADR 7).
        "inventory" => with_apis(&["types", "chassis", "storage", "window", "proof", "delta"]),
        "reporting" => with_apis(&["types", "chassis", "storage", "window", "proof"]),
        // They sign documents that agents check: orders here, membership and approvals there (ADR 1).
        "scheduler" | "policy" => {
            with_apis(&["types", "chassis", "storage", "window", "proof", "protocol"])
        }
        // A contract may quote another contract's words; cargo itself refuses circles.
        api if api
            .strip_suffix("-api")
            .is_some_and(|name| SERVICES.contains(&name)) =>
        {
            with_apis(&["types", "chassis", "window"])
        }
        _ => None,
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("netpatch-").unwrap_or(name)
}

#[test]
fn every_edge_between_our_crates_is_allowed() {
    let graph = Graph::load();
    let ours: BTreeSet<_> = graph
        .members()
        .into_iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in graph.members() {
        // The composition root and the load test may use everything; xtask drives programs and may use nothing of ours.
        if ["netpatch", "netpatch-loadtest"].contains(&package.name.as_str()) {
            continue;
        }
        let allowed = match package.name.as_str() {
            "xtask" => Vec::new(),
            name => allowed(short(name)).unwrap_or_else(|| {
                panic!("{name} has no line in edges.rs: decide what it may use")
            }),
        };
        for used in graph.direct(package) {
            if ours.contains(used) && !allowed.iter().any(|name| name == short(used)) {
                wrong.push(format!("{} must not use {used}", package.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "edges that are not allowed:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nothing_uses_the_composition_root_the_test_kit_or_the_tasks() {
    let graph = Graph::load();
    for package in graph.members() {
        // The load test is no program that is shipped.
        let also = (package.name != "netpatch-loadtest").then_some("netpatch-hostile");
        let forbidden = ["netpatch", "netpatch-testkit", "xtask", "netpatch-loadtest"];
        for forbidden in forbidden.into_iter().chain(also) {
            assert!(
                !graph.direct(package).contains(forbidden),
                "{} must not use {forbidden} outside its tests",
                package.name
            );
        }
    }
}
