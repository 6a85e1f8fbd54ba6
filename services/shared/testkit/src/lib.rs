//! For tests only: a clock that is moved by hand, seeded randomness, a database per test, an S3 server, a forward proxy, waiting for a condition.
//!
//! ```text
//! #[tokio::test]
//! async fn hosts_are_kept() {
//!     let test = TestDatabase::new(&[netpatch_inventory::migrations()]).await;
//!     let clock = ManualClock::shared();
//!     let context = test_context(clock.now());                 // a new organization
//!     let tx = test.database().write(&context).await.unwrap();
//!     …
//! }
//! ```
//! One private PostgreSQL per test process, started on first use and gone when the process ends, however it ends. Databases are
//! copies of a template that is migrated once per set of migrations.

mod clock;
mod cluster;
mod database;
mod plan;
mod process;
mod random;
mod redis;
mod s3;
mod squid;
mod wait;

pub use clock::ManualClock;
pub use database::TestDatabase;
pub use plan::plan;
pub use process::ServiceProcess;
pub use random::{seed, seeded};
pub use redis::Redis;
pub use s3::{S3Server, has_s3_keys};
pub use squid::Squid;
pub use wait::{poll_until, poll_until_blocking};

use netpatch_types::{RequestContext, TenantId};

/// A context of the system with every right in a new organization.
#[must_use]
pub fn test_context(now: chrono::DateTime<chrono::Utc>) -> RequestContext {
    RequestContext::system(TenantId::from(uuid::Uuid::now_v7()), "test", now)
}
