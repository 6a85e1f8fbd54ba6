//! What the facts must be, table by table.

use super::catalog::{Facts, Index, Policy, Table};
use crate::roles::{APP, CATALOG, OWNER, WORKER};
use crate::tables::{ListedTable, TableKind, TableList};
use std::collections::BTreeSet;

/// The policies' expressions as PostgreSQL prints them.
const READ: &str = "(tenant_id = ANY (( SELECT (current_setting('app.tenants'::text))::uuid[] AS current_setting)::uuid[]))";
const WRITE: &str =
    "(tenant_id = ( SELECT (current_setting('app.tenant'::text))::uuid AS current_setting))";

pub(super) fn violations(facts: &Facts, list: &TableList) -> Vec<String> {
    let mut found = Vec::new();
    for table in facts
        .tables
        .iter()
        .filter(|table| !is_migration_table(&table.name))
    {
        if matches!(table.kind.as_str(), "v" | "m") {
            view(table, facts, &mut found);
            continue;
        }
        match list.get(&table.name) {
            None => found.push(format!("{}: not listed", table.name)),
            Some(listed) => listed_table(table, listed, facts, list, &mut found),
        }
    }
    absent(facts, list, &mut found);
    for table in facts.tables.iter().filter(|table| table.owner != OWNER) {
        found.push(format!(
            "{}: owned by {}, not by {OWNER}",
            table.name, table.owner
        ));
    }
    for right in facts
        .rights
        .iter()
        .filter(|right| is_migration_table(&right.name))
    {
        found.push(format!("{}: {} may {}", right.name, right.role, right.what));
    }
    for role in &facts.roles {
        for (holds, what) in [
            (role.superuser, "is superuser"),
            (role.bypasses, "has bypassrls"),
            (role.member_of_owner, "is member of the owner"),
        ] {
            if holds {
                found.push(format!("role {}: {what}", role.role));
            }
        }
    }
    for function in &facts.functions {
        let pinned = if function.pinned {
            None
        } else {
            Some("has no fixed search_path")
        };
        let public = function.public.then_some("may be called by everybody");
        let owner = (function.owner != OWNER).then_some("does not belong to the owner");
        found.extend(
            [pinned, public, owner]
                .into_iter()
                .flatten()
                .map(|what| format!("definer function {}: {what}", function.name)),
        );
    }
    found
}

fn is_migration_table(name: &str) -> bool {
    name.starts_with("public.") && name.ends_with("_migrations")
}

/// A view runs with its owner's rights unless it says otherwise.
fn view(table: &Table, facts: &Facts, found: &mut Vec<String>) {
    let readable = facts.rights.iter().any(|right| right.name == table.name);
    if readable && (table.kind == "m" || !table.security_invoker) {
        found.push(format!(
            "{}: a readable view without security_invoker",
            table.name
        ));
    }
}

/// Listed, but not there, though the schema is.
fn absent(facts: &Facts, list: &TableList, found: &mut Vec<String>) {
    let schema = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let schemas: BTreeSet<String> = facts
        .tables
        .iter()
        .map(|table| schema(&table.name))
        .collect();
    for name in list.keys().filter(|name| schemas.contains(&schema(name))) {
        if !facts.tables.iter().any(|table| table.name == *name) {
            found.push(format!("{name}: listed, but there is no such table"));
        }
    }
}

fn listed_table(
    table: &Table,
    listed: &ListedTable,
    facts: &Facts,
    list: &TableList,
    found: &mut Vec<String>,
) {
    rights(table, listed, facts, found);
    let policies: Vec<&Policy> = facts
        .policies
        .iter()
        .filter(|policy| policy.name == table.name)
        .collect();
    match listed.kind {
        TableKind::Tenant => tenant(table, &policies, facts, found),
        TableKind::Catalog if !table.tenant_column.is_empty() => {
            found.push(format!("{}: a catalog table with tenant_id", table.name))
        }
        _ => {}
    }
    for policy in policies {
        let for_worker = policy.roles == WORKER;
        let known = listed.kind == TableKind::Tenant
            && policy.roles == APP
            && policy.policy.starts_with("tenant_");
        let other = listed.kind == TableKind::Other && policy.roles == APP && listed.app.is_some();
        if !(for_worker || known || other) {
            found.push(format!(
                "{}: unexpected policy {} for {}",
                table.name, policy.policy, policy.roles
            ));
        }
    }
    for reference in facts
        .references
        .iter()
        .filter(|reference| reference.name == table.name)
    {
        let to_tenant = list
            .get(&reference.target)
            .is_some_and(|target| target.kind == TableKind::Tenant);
        let led =
            reference.first_column == "tenant_id" && reference.target_first_column == "tenant_id";
        if to_tenant && !led {
            found.push(format!(
                "{}: foreign key {} is not led by tenant_id",
                table.name, reference.constraint_name
            ));
        }
    }
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn rights(table: &Table, listed: &ListedTable, facts: &Facts, found: &mut Vec<String>) {
    let everything = || set(&["select", "insert", "update", "delete"]);
    let (app, catalog, worker) = match listed.kind {
        TableKind::Tenant => (everything(), set(&[]), set(&[])),
        TableKind::Catalog => (set(&["select"]), everything(), set(&["select"])),
        TableKind::Directory | TableKind::Other => (set(&[]), set(&[]), set(&[])),
    };
    let app = listed.app.clone().unwrap_or(app);
    let worker: BTreeSet<String> = worker.union(&listed.worker).cloned().collect();
    for (role, allowed) in [(APP, app), (CATALOG, catalog), (WORKER, worker)] {
        for right in facts
            .rights
            .iter()
            .filter(|right| right.name == table.name && right.role == role)
        {
            if !allowed.contains(&right.what) {
                found.push(format!("{}: {role} may {}", table.name, right.what));
            }
        }
    }
}

fn tenant(table: &Table, policies: &[&Policy], facts: &Facts, found: &mut Vec<String>) {
    let name = &table.name;
    if !(table.row_security && table.forced) {
        found.push(format!("{name}: row-level security is not forced"));
    }
    if table.tenant_column != "uuid" {
        found.push(format!(
            "{name}: tenant_id is not uuid not null ({:?})",
            table.tenant_column
        ));
    }
    for (policy, command, using, check) in [
        ("tenant_read", "r", Some(READ), None),
        ("tenant_insert", "a", None, Some(WRITE)),
        ("tenant_update", "w", Some(WRITE), Some(WRITE)),
        ("tenant_delete", "d", Some(WRITE), None),
    ] {
        let good = policies.iter().any(|known| {
            known.policy == policy
                && known.command == command
                && known.roles == APP
                && known.permissive
                && known.using_expression.as_deref() == using
                && known.check_expression.as_deref() == check
        });
        if !good {
            found.push(format!("{name}: policy {policy} is missing or different"));
        }
    }
    if policies
        .iter()
        .any(|policy| policy.roles == APP && !policy.policy.starts_with("tenant_"))
    {
        found.push(format!("{name}: a further policy for {APP}"));
    }
    if policies
        .iter()
        .filter(|policy| policy.policy.starts_with("tenant_"))
        .count()
        > 4
    {
        found.push(format!("{name}: more than four tenant policies"));
    }
    let indexes: Vec<&Index> = facts
        .indexes
        .iter()
        .filter(|index| index.name == *name)
        .collect();
    if !indexes.iter().any(|index| index.is_primary) {
        found.push(format!("{name}: no primary key"));
    }
    for index in indexes {
        let for_worker =
            index.index_name.trim_end_matches('"').ends_with("_worker") && !index.is_unique;
        if index.first_column.as_deref() != Some("tenant_id") && !for_worker {
            found.push(format!(
                "{name}: {} is not led by tenant_id",
                index.index_name
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Role;
    use super::*;

    #[test]
    fn a_role_that_steps_around_row_level_security_is_found() {
        let role = |superuser, bypasses, member_of_owner| Facts {
            tables: vec![],
            rights: vec![],
            policies: vec![],
            indexes: vec![],
            references: vec![],
            roles: vec![Role {
                role: APP.to_owned(),
                superuser,
                bypasses,
                member_of_owner,
            }],
            functions: vec![],
        };
        let found = |facts| violations(&facts, &TableList::new());
        assert!(found(role(false, false, false)).is_empty());
        assert_eq!(
            found(role(true, false, false)),
            ["role netpatch_app: is superuser"]
        );
        assert_eq!(
            found(role(false, true, false)),
            ["role netpatch_app: has bypassrls"]
        );
        assert_eq!(
            found(role(false, false, true)),
            ["role netpatch_app: is member of the owner"]
        );
    }
}
