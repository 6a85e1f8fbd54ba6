//! Migrations run once, as owner, one process at a time.

use crate::sample;
use netpatch_storage::{Migrations, StorageError, migrate, roles};
use netpatch_testkit::TestDatabase;
use sea_orm_migration::prelude::*;

struct Unnamed;

impl MigratorTrait for Unnamed {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![]
    }
}

#[tokio::test]
async fn they_are_idempotent_also_from_several_processes_at_once() {
    let test = TestDatabase::new(&[]).await;
    let all = [sample::migrations()];
    let runs = (0..4).map(|_| migrate(&test.urls().owner, &all));
    for outcome in futures::future::join_all(runs).await {
        outcome.unwrap();
    }
    migrate(&test.urls().owner, &all).await.unwrap();
    let error = migrate(&test.urls().app, &[sample::migrations()]).await;
    assert!(
        matches!(error, Err(StorageError::Migration { .. })),
        "only the owner migrates: {error:?}"
    );
}

#[tokio::test]
async fn the_shared_default_table_is_refused() {
    let test = TestDatabase::new(&[]).await;
    let error = migrate(&test.urls().owner, &[Migrations::of::<Unnamed>("sample")])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("seaql_migrations, not sample_migrations"),
        "{error}"
    );
}

#[tokio::test]
async fn bootstrapping_again_changes_nothing() {
    let test = TestDatabase::new(&[sample::migrations()]).await;
    let (server, name) = test.admin_url().rsplit_once('/').unwrap();
    let admin = format!("{server}/postgres");
    let again = roles::bootstrap(&admin, name).await.unwrap();
    assert!(again == *test.urls());
    let refused = roles::bootstrap(&admin, "a; drop").await;
    assert!(matches!(refused, Err(StorageError::Setting(_))));
}
