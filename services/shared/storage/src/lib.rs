//! Where the platform keeps things: database, blobs, bus, and the private PostgreSQL of the embedded default.
//!
//! Invariants
//! - The only way to the database is a transaction of this crate ([`Database::read`], [`Database::write`],
//!   [`Database::catalog_tx`], [`Database::worker_tx`], [`Database::directory_tx`]). There is no public pool.
//! - Whose rows a [`TenantTx`] sees is decided by row-level security from two settings that are local to the transaction.
//!   A transaction without them raises; it never sees "all".
//! - Every table is listed in `tables.txt`; [`hole_test`] compares that list with the database.
//! - The bus ([`bus`]) carries hints only. Losing every hint costs time, never correctness.
//!
//! Deliberately absent: another SQL dialect, a raw pool, a retry of whole requests, global state.
//!
//! # How a service uses it
//!
//! **Cargo**: `netpatch-storage`, `sea-orm`, `sea-orm-migration` as dependencies, `netpatch-testkit` for tests.
//!
//! **Migration** (`migrations/`, one schema per service; register each table by adding a line to `src/tables.txt` here):
//! ```text
//! pub struct Migrator;
//! impl MigratorTrait for Migrator {
//!     fn migrations() -> Vec<Box<dyn MigrationTrait>> { vec![Box::new(m0001::Migration)] }
//!     fn migration_table_name() -> DynIden { "inventory_migrations".into_iden() }   // <schema>_migrations, checked
//! }
//! pub fn migrations() -> netpatch_storage::Migrations { Migrations::of::<Migrator>("inventory") }
//!
//! // in m0001::up:
//! let mut sql = schema_sql("inventory");
//! sql.extend(statements(include_str!("m0001.sql")));            // plain SQL, split into statements
//! sql.extend(protect_tenant_table("inventory", "hosts"));       // forced row-level security, policies, grants
//! sql.extend(protect_catalog_table("inventory", "advisories")); // everybody reads, role netpatch_catalog writes
//! sql.extend(worker_may("inventory", "jobs", "select, update"));
//! sql.extend(outbox_table_sql("inventory"));                    // inventory.outbox, inventory.outbox_epoch
//! sql.extend(cursor_table_sql("inventory"));                    // inventory.cursors, for the events it consumes
//! execute_all(manager.get_connection(), sql).await
//! ```
//! Every key, unique key and index of a tenant table starts with `tenant_id uuid not null`.
//!
//! **Store** (the only SQL of the service; functions take the transaction and return [`StorageResult`]):
//! ```text
//! #[derive(FromQueryResult)] struct HostRow { id: Uuid, name: String }
//! pub async fn host(tx: &TenantTx, id: HostId) -> StorageResult<Option<HostRow>> {
//!     tx.one("select id, name from inventory.hosts where id = $1", [id.0.into()]).await
//! }
//! ```
//! A [`TenantTx`] is also a `sea_orm::ConnectionTrait`, so `hosts::Entity::find().all(&tx)` works.
//!
//! **Service** (`?` turns a [`StorageError`] into a `ServiceError` and logs its cause):
//! ```text
//! let tx = self.db.write(&ctx).await?;
//! store::host::rename(&tx, id, &name).await?;
//! outbox::append(&tx, "inventory", &id.to_string(), &HostEvent::V1(…), &*self.clock).await?;
//! tx.commit().await?;                                         // dropping it rolls back
//! self.bus.publish("inventory.outbox", b"").await;            // after the commit: "look now"
//! ```
//!
//! **Consumer** (handlers are idempotent; delivery is at least once, in commit order):
//! ```text
//! // serving side, in the api's implementation:
//! async fn events(&self, after: Cursor, limit: u32) -> ServiceResult<EventPage> { Ok(outbox::read(&self.db, "inventory", after, limit).await?) }
//! // consuming side, a task owned by the service:
//! Consumer::new("policy", "inventory", "inventory.outbox")
//!     .follow(&db, &*bus, Until::Stopped(stop), |after, limit| inventory.events(after, limit), |event| handle(event)).await;
//! ```
//!
//! **Test** (a database per test, copied from a template that is migrated once):
//! ```text
//! let test = netpatch_testkit::TestDatabase::new(&[netpatch_inventory::migrations()]).await;
//! let service = Inventory::new(test.database().clone(), …);
//! test.settle("inventory").await;                             // before events are read: other tests hold the horizon back
//! assert!(!netpatch_testkit::plan(&tx, "select …").await?.contains("Seq Scan"));
//! assert_eq!(hole_test(test.database()).await?, Vec::<String>::new());
//! ```
//!
//! **Keys**: [`KeyFolder`] over `DATA/keys`; `keys.secret("<organization uuid>/director")` gives the 32 secret bytes of an Ed25519 key
//! (roles: `director`, `approval`, `ledger`), made at first use.
//!
//! **Composition root**: [`PrivatePostgres::start`] (or an external URL) → [`roles::bootstrap`] → [`migrate()`] with every
//! service's [`Migrations`] → [`Database::connect`], one value for all services of the process; [`Blobs::connect`]; [`bus::connect`].

pub mod blobs;
pub mod bus;
pub mod consumer;
mod database;
mod error;
pub mod hole_test;
pub mod keys;
mod migrate;
pub mod outbox;
mod policies;
pub mod postgres;
pub mod roles;
pub mod tables;
mod transaction;

pub use blobs::{BlobError, Blobs};
pub use bus::{Bus, SharedBus};
pub use consumer::{Consumer, Until, cursor_table_sql};
pub use database::{Database, PoolSettings};
pub use error::{StorageError, StorageResult};
pub use hole_test::hole_test;
pub use keys::{KeyFolder, KeyStamp};
pub use migrate::{Migrations, execute_all, migrate, statements};
pub use outbox::{OutboxPrune, outbox_table_sql};
pub use policies::{
    directory_function, protect_catalog_table, protect_directory_table, protect_other_table,
    protect_tenant_table, schema_sql, worker_may,
};
pub use postgres::{Connection, PostgresError, PostgresSettings, PrivatePostgres};
pub use roles::DatabaseUrls;
pub use transaction::{CatalogTx, DirectoryTx, TenantTx, Tx, WorkerTx};
