//! A schema with a table of each kind.

use netpatch_storage::tables::{TableList, parse};
use netpatch_storage::{
    Migrations, OutboxPrune, cursor_table_sql, directory_function, execute_all, outbox_table_sql,
    protect_catalog_table, protect_directory_table, protect_tenant_table, schema_sql, statements,
    worker_may,
};
use sea_orm_migration::prelude::*;

pub struct Sample;

impl MigratorTrait for Sample {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(OutboxPrune("sample"))]
    }

    fn migration_table_name() -> DynIden {
        "sample_migrations".into_iden()
    }
}

pub fn migrations() -> Migrations {
    Migrations::of::<Sample>("sample")
}

pub fn list() -> TableList {
    parse(
        "tenant sample.hosts worker=select,update\ntenant sample.notes\ncatalog sample.advisories\ndirectory sample.keys\n\
         tenant sample.outbox worker=select,delete\nother sample.outbox_epoch worker=select\nother sample.cursors worker=select,insert,update",
    )
    .unwrap()
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "m0001_first"
    }
}

const SQL: &str = "
create table sample.hosts (
  tenant_id uuid not null, id uuid not null, name text not null,
  primary key (tenant_id, id), constraint hosts_name unique (tenant_id, name));
create table sample.notes (
  tenant_id uuid not null, id uuid not null, host_id uuid not null,
  primary key (tenant_id, id), foreign key (tenant_id, host_id) references sample.hosts (tenant_id, id));
create table sample.advisories (id text primary key);
create table sample.keys (hash bytea primary key, tenant_id uuid not null);
create function sample.key_tenant(wanted bytea) returns table (tenant_id uuid)
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select k.tenant_id from sample.keys k where k.hash = wanted limit 1; $$;
create function sample.key_put(wanted bytea) returns void
  language sql security definer set search_path = pg_catalog, pg_temp
  as $$ insert into sample.keys values (wanted, current_setting('app.tenant')::uuid); $$;
";

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = schema_sql("sample");
        sql.extend(statements(SQL));
        sql.extend(protect_tenant_table("sample", "hosts"));
        sql.extend(protect_tenant_table("sample", "notes"));
        sql.extend(worker_may("sample", "hosts", "select, update"));
        sql.extend(protect_catalog_table("sample", "advisories"));
        sql.extend(protect_directory_table("sample", "keys"));
        sql.extend(directory_function("sample", "key_tenant(bytea)"));
        sql.extend(directory_function("sample", "key_put(bytea)"));
        sql.extend(outbox_table_sql("sample"));
        sql.extend(cursor_table_sql("sample"));
        execute_all(manager.get_connection(), sql).await
    }
}
