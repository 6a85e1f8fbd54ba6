//! What PostgreSQL says about tables, rights, policies, keys, roles and functions.

use crate::StorageResult;
use crate::roles::{APP, CATALOG, OWNER, WORKER};
use crate::transaction::DirectoryTx;
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) row_security: bool,
    pub(super) forced: bool,
    pub(super) owner: String,
    /// The type of `tenant_id` and whether it may be null; empty if there is none.
    pub(super) tenant_column: String,
    pub(super) security_invoker: bool,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Right {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) what: String,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) policy: String,
    pub(super) command: String,
    pub(super) roles: String,
    pub(super) permissive: bool,
    pub(super) using_expression: Option<String>,
    pub(super) check_expression: Option<String>,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) index_name: String,
    pub(super) is_unique: bool,
    pub(super) is_primary: bool,
    pub(super) first_column: Option<String>,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) constraint_name: String,
    pub(super) target: String,
    pub(super) first_column: String,
    pub(super) target_first_column: String,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Role {
    pub(super) role: String,
    pub(super) superuser: bool,
    pub(super) bypasses: bool,
    pub(super) member_of_owner: bool,
}

#[derive(Debug, FromQueryResult)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) pinned: bool,
    pub(super) public: bool,
}

#[derive(Debug)]
pub(super) struct Facts {
    pub(super) tables: Vec<Table>,
    pub(super) rights: Vec<Right>,
    pub(super) policies: Vec<Policy>,
    pub(super) indexes: Vec<Index>,
    pub(super) references: Vec<Reference>,
    pub(super) roles: Vec<Role>,
    pub(super) functions: Vec<Function>,
}

/// The relations outside of PostgreSQL's own schemas, and of those only what can hold or show rows.
const RELATIONS: &str = "pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^pg_' \
                         and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'm', 'f')";

pub(super) async fn read(tx: &DirectoryTx) -> StorageResult<Facts> {
    let serving = format!("unnest(array['{APP}', '{CATALOG}', '{WORKER}']) as r(role)");
    let name = "n.nspname || '.' || c.relname as name";
    let tables = format!(
        "select {name}, c.relkind::text as kind, c.relrowsecurity as row_security, c.relforcerowsecurity as forced, \
         pg_get_userbyid(c.relowner)::text as owner, coalesce((select format_type(a.atttypid, null) || case when a.attnotnull then '' \
         else ' null' end from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped), '') as tenant_column, \
         coalesce(c.reloptions @> array['security_invoker=true'], false) as security_invoker from {RELATIONS} order by 1"
    );
    let rights = format!(
        "select {name}, r.role, lower(w.what) as what from {RELATIONS} cross join {serving} \
         cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as w(what) \
         where has_table_privilege(r.role, c.oid, w.what) or case when w.what in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') \
         then has_any_column_privilege(r.role, c.oid, w.what) else false end order by 1, 2, 3"
    );
    let policies = format!(
        "select {name}, p.polname::text as policy, p.polcmd::text as command, p.polpermissive as permissive, \
         (select string_agg(case when o.oid = 0 then 'public' else pg_get_userbyid(o.oid)::text end, ',') from unnest(p.polroles) as o(oid)) as roles, \
         pg_get_expr(p.polqual, p.polrelid) as using_expression, pg_get_expr(p.polwithcheck, p.polrelid) as check_expression \
         from {RELATIONS} join pg_policy p on p.polrelid = c.oid order by 1, 2"
    );
    let indexes = format!(
        "select {name}, i.indexrelid::regclass::text as index_name, i.indisunique as is_unique, i.indisprimary as is_primary, \
         (select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0] and a.attnum > 0) as first_column \
         from {RELATIONS} join pg_index i on i.indrelid = c.oid order by 1, 2"
    );
    let first = |relation: &str, key: &str| {
        format!(
            "(select a.attname::text from pg_attribute a where a.attrelid = k.{relation} and a.attnum = k.{key}[1])"
        )
    };
    let references = format!(
        "select {name}, k.conname::text as constraint_name, \
         (select m.nspname || '.' || t.relname from pg_class t join pg_namespace m on m.oid = t.relnamespace where t.oid = k.confrelid) as target, \
         {} as first_column, {} as target_first_column from {RELATIONS} join pg_constraint k on k.conrelid = c.oid and k.contype = 'f' order by 1, 2",
        first("conrelid", "conkey"),
        first("confrelid", "confkey")
    );
    let roles = format!(
        "select r.role, p.rolsuper as superuser, p.rolbypassrls as bypasses, pg_has_role(r.role, '{OWNER}', 'member') as member_of_owner \
         from {serving} join pg_roles p on p.rolname = r.role order by 1"
    );
    let functions = "select n.nspname || '.' || p.proname as name, pg_get_userbyid(p.proowner)::text as owner, \
         coalesce(array_to_string(p.proconfig, ',') ~ 'search_path=', false) as pinned, has_function_privilege('public', p.oid, 'EXECUTE') as public \
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.prosecdef and n.nspname !~ '^pg_' \
         and n.nspname <> 'information_schema' order by 1";
    Ok(Facts {
        tables: tx.all(&tables, []).await?,
        rights: tx.all(&rights, []).await?,
        policies: tx.all(&policies, []).await?,
        indexes: tx.all(&indexes, []).await?,
        references: tx.all(&references, []).await?,
        roles: tx.all(&roles, []).await?,
        functions: tx.all(functions, []).await?,
    })
}
