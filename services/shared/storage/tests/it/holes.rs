//! Each kind of hole is found, and a sound schema has none.

use crate::sample;
use netpatch_storage::hole_test::compare;
use netpatch_storage::roles::connect_one;
use netpatch_testkit::TestDatabase;
use sea_orm::ConnectionTrait as _;

#[tokio::test]
async fn a_sound_schema_has_no_holes() {
    let test = TestDatabase::new(&[sample::migrations()]).await;
    assert_eq!(
        compare(test.database(), &sample::list()).await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn every_hole_is_found() {
    let test = TestDatabase::new(&[sample::migrations()]).await;
    let admin = connect_one(test.admin_url()).await.unwrap();
    let owned = "set role netpatch_owner;";
    for (sql, undo, expected) in [
        (
            "create table sample.extra (x int)",
            "drop table sample.extra",
            "sample.extra: not listed",
        ),
        (
            "alter table sample.hosts no force row level security",
            "alter table sample.hosts force row level security",
            "sample.hosts: row-level security is not forced",
        ),
        (
            "drop policy tenant_read on sample.hosts",
            "create policy tenant_read on sample.hosts for select to netpatch_app using \
             (tenant_id = any((select current_setting('app.tenants')::uuid[])::uuid[]))",
            "sample.hosts: policy tenant_read is missing or different",
        ),
        (
            "create policy more on sample.hosts to netpatch_app using (true)",
            "drop policy more on sample.hosts",
            "sample.hosts: unexpected policy more for netpatch_app",
        ),
        (
            "grant truncate on sample.hosts to netpatch_app",
            "revoke truncate on sample.hosts from netpatch_app",
            "sample.hosts: netpatch_app may truncate",
        ),
        (
            "grant update (id) on sample.advisories to netpatch_app",
            "revoke update (id) on sample.advisories from netpatch_app",
            "sample.advisories: netpatch_app may update",
        ),
        (
            "grant select on sample.keys to public",
            "revoke select on sample.keys from public",
            "sample.keys: netpatch_app may select",
        ),
        (
            "grant delete on sample.hosts to netpatch_worker",
            "revoke delete on sample.hosts from netpatch_worker",
            "sample.hosts: netpatch_worker may delete",
        ),
        (
            "create index hosts_by_name on sample.hosts (name)",
            "drop index sample.hosts_by_name",
            "sample.hosts: sample.hosts_by_name is not led by tenant_id",
        ),
        (
            "alter table sample.notes drop constraint notes_pkey",
            "alter table sample.notes add primary key (tenant_id, id)",
            "sample.notes: no primary key",
        ),
        (
            "create view sample.peek as select * from sample.hosts; grant select on sample.peek to netpatch_app",
            "drop view sample.peek",
            "sample.peek: a readable view without security_invoker",
        ),
        (
            "create function sample.loose() returns int language sql security definer as 'select 1'",
            "drop function sample.loose()",
            "definer function sample.loose: has no fixed search_path",
        ),
        (
            "alter table sample.notes rename to memos",
            "alter table sample.memos rename to notes",
            "sample.notes: listed, but there is no such table",
        ),
    ] {
        admin
            .execute_unprepared(&format!("{owned} {sql}"))
            .await
            .unwrap();
        let found = compare(test.database(), &sample::list()).await.unwrap();
        assert!(
            found.iter().any(|hole| hole == expected),
            "{sql}: {found:?}"
        );
        admin
            .execute_unprepared(&format!("{owned} {undo}"))
            .await
            .unwrap();
        let left = compare(test.database(), &sample::list()).await.unwrap();
        assert_eq!(left, Vec::<String>::new(), "after {undo}");
    }
    admin.close().await.unwrap();
}
