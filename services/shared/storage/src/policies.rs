//! SQL that protects a table, for migrations. Every function returns statements that are run one by one (as Citus needs it).
//!
//! Invariant: a policy reads its setting once per statement, through `(select …)`. The settings are read without `missing_ok`
//! and cast from the literal form, so both "never set" and the empty leftover of an earlier transaction raise.

use crate::roles::{APP, CATALOG, OWNER, WORKER};

/// Rows of these tenants may be read. The outer cast keeps `any(…)` over an array instead of over a subquery.
const READ: &str = "tenant_id = any((select current_setting('app.tenants')::uuid[])::uuid[])";
/// Rows of this tenant may be written.
const WRITE: &str = "tenant_id = (select current_setting('app.tenant')::uuid)";

/// Creates the schema of a service and lets the roles see its names.
#[must_use]
pub fn schema_sql(schema: &str) -> Vec<String> {
    vec![
        format!("create schema if not exists {schema} authorization {OWNER}"),
        format!("grant usage on schema {schema} to {APP}, {CATALOG}, {WORKER}"),
    ]
}

/// A tenant table: forced row-level security, read by `app.tenants`, written by `app.tenant`. Listed as `tenant`.
#[must_use]
pub fn protect_tenant_table(schema: &str, table: &str) -> Vec<String> {
    let name = format!("{schema}.{table}");
    vec![
        format!("alter table {name} enable row level security"),
        format!("alter table {name} force row level security"),
        format!("create policy tenant_read on {name} for select to {APP} using ({READ})"),
        format!("create policy tenant_insert on {name} for insert to {APP} with check ({WRITE})"),
        format!(
            "create policy tenant_update on {name} for update to {APP} using ({WRITE}) with check ({WRITE})"
        ),
        format!("create policy tenant_delete on {name} for delete to {APP} using ({WRITE})"),
        format!("grant select, insert, update, delete on {name} to {APP}"),
    ]
}

/// A catalog table: no tenant, everybody reads, only role `netpatch_catalog` writes. Listed as `catalog`.
#[must_use]
pub fn protect_catalog_table(schema: &str, table: &str) -> Vec<String> {
    let name = format!("{schema}.{table}");
    vec![
        format!("revoke all on {name} from public"),
        format!("grant select on {name} to {APP}, {WORKER}"),
        format!("grant select, insert, update, delete on {name} to {CATALOG}"),
        format!("grant usage on all sequences in schema {schema} to {CATALOG}"),
    ]
}

/// A directory table (hash of a secret or name → tenant): no role touches it except through [`directory_function`]s.
/// Listed as `directory`.
#[must_use]
pub fn protect_directory_table(schema: &str, table: &str) -> Vec<String> {
    vec![format!(
        "revoke all on {schema}.{table} from public, {APP}, {CATALOG}, {WORKER}"
    )]
}

/// Lets requests call a SECURITY DEFINER function over a directory table. `signature` as in `session_by_hash(bytea)`. The function
/// takes the full key, returns at most one row, and is declared with `set search_path = pg_catalog, pg_temp` (the hole test looks).
#[must_use]
pub fn directory_function(schema: &str, signature: &str) -> Vec<String> {
    vec![
        format!("revoke all on function {schema}.{signature} from public"),
        format!("grant execute on function {schema}.{signature} to {APP}"),
    ]
}

/// A table of another kind, without tenant rows: nobody but those who are granted something, e.g. by [`worker_may`]. Listed as `other`.
#[must_use]
pub fn protect_other_table(schema: &str, table: &str) -> Vec<String> {
    vec![
        format!("revoke all on {schema}.{table} from public, {APP}, {CATALOG}"),
        format!("alter table {schema}.{table} enable row level security"),
    ]
}

/// Lets background jobs (role `netpatch_worker`) do these things to all rows of a table that has row-level security, e.g.
/// `"select, update"`. State it in the list too: `worker=select,update`.
#[must_use]
pub fn worker_may(schema: &str, table: &str, rights: &str) -> Vec<String> {
    let name = format!("{schema}.{table}");
    let mut sql = vec![format!("grant {rights} on {name} to {WORKER}")];
    for right in rights.split(',').map(str::trim) {
        let condition = match right {
            "insert" => "with check (true)",
            "update" => "using (true) with check (true)",
            _ => "using (true)",
        };
        sql.push(format!(
            "create policy worker_{right} on {name} for {right} to {WORKER} {condition}"
        ));
    }
    sql
}
