//! What must not end up in a program, however indirectly.

use crate::graph::Graph;

fn assert_unreachable(graph: &Graph, from: &str, forbidden: impl Fn(&str) -> bool) {
    let found: Vec<_> = graph
        .reachable(from)
        .into_iter()
        .filter(|name| forbidden(name))
        .collect();
    assert!(found.is_empty(), "{from} must not reach {found:?}");
}

#[test]
fn agent_and_relay_carry_no_server_framework_no_database_and_no_service() {
    let graph = Graph::load();
    for program in ["netpatch-agent", "netpatch-relay"] {
        assert_unreachable(&graph, program, |name| {
            name == "axum"
                || name.starts_with("sea-orm")
                || name.starts_with("sqlx")
                || name.starts_with("aws-sdk")
                || name.starts_with("async-graphql")
                || (name.starts_with("netpatch-") && name.ends_with("-api"))
        });
    }
}

#[test]
fn only_the_database_owners_use_the_database_library() {
    let graph = Graph::load();
    let owners = [
        "netpatch-storage",
        "netpatch-testkit",
        "netpatch-auth",
        "netpatch-inventory",
        "netpatch-policy",
        "netpatch-scheduler",
        "netpatch-reporting",
        // It compares with tables of its own, and sees everything.
        "netpatch-loadtest",
    ];
    for package in graph.members() {
        if !owners.contains(&package.name.as_str()) {
            let direct = graph.direct(package);
            let database = direct.iter().find(|name| name.starts_with("sea-orm"));
            assert!(
                database.is_none(),
                "{} must not use {database:?}",
                package.name
            );
        }
    }
}

#[test]
fn pure_crates_do_no_input_or_output() {
    let graph = Graph::load();
    for pure in [
        "netpatch-types",
        "netpatch-window",
        "netpatch-proof",
        "netpatch-protocol",
        "netpatch-delta",
        "netpatch-relay-core",
        "netpatch-agent-core",
    ] {
        assert_unreachable(&graph, pure, |name| {
            [
                "tokio", "hyper", "quinn", "reqwest", "axum", "rustls", "nix",
            ]
            .contains(&name)
        });
    }
}
