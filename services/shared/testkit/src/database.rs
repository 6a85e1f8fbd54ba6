//! A database per test.

use crate::cluster::{Request, requests};
use crate::poll_until;
use netpatch_storage::{Database, DatabaseUrls, Migrations, PoolSettings};
use std::time::Duration;
use tokio::sync::oneshot;

/// A migrated database of its own; removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    urls: DatabaseUrls,
    admin_url: String,
    database: Database,
}

impl TestDatabase {
    /// A database with these migrations. Panics with the reason when there is none to be had.
    pub async fn new(migrations: &[Migrations]) -> Self {
        match Self::try_new(migrations).await {
            Ok(database) => database,
            Err(error) => panic!("no test database: {error:#}"),
        }
    }

    /// As [`TestDatabase::new`], with the error.
    pub async fn try_new(migrations: &[Migrations]) -> anyhow::Result<Self> {
        let (reply, answer) = oneshot::channel();
        requests().send(Request::Create {
            migrations: migrations.to_vec(),
            reply,
        })?;
        let (name, urls, admin_url) = answer.await??;
        let settings = PoolSettings {
            app_connections: 6,
            catalog_connections: 2,
            worker_connections: 4,
            acquire_timeout: Duration::from_secs(30),
            ..PoolSettings::default()
        };
        let database = Database::connect(&urls, &settings).await?;
        Ok(Self {
            name,
            urls,
            admin_url,
            database,
        })
    }

    /// The database as services see it.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The URLs per role, to connect as one of them.
    #[must_use]
    pub fn urls(&self) -> &DatabaseUrls {
        &self.urls
    }

    /// Waits until every committed event of a schema's outbox can be read. A transaction of any database of the server holds the
    /// snapshot horizon back, so other tests delay the events of this one. Panics after ten seconds: an own transaction is open.
    pub async fn settle(&self, schema: &str) {
        let sql = format!(
            "select count(*) from {schema}.outbox where xid >= pg_snapshot_xmin(pg_current_snapshot())"
        );
        poll_until(
            "events below the horizon",
            Duration::from_secs(10),
            async || {
                let tx = self.database.worker_tx().await.ok()?;
                (tx.value::<i64>(&sql, []).await.ok()? == Some(0)).then_some(())
            },
        )
        .await;
    }

    /// The superuser's URL of this database, to look behind row-level security.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let _ = requests().send(Request::Drop {
            name: std::mem::take(&mut self.name),
        });
    }
}
