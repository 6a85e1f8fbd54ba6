//! The database of a process: a pool per role, and the transactions on them.

use crate::transaction::{
    Catalog, CatalogTx, Directory, DirectoryTx, Tenant, TenantTx, Worker, WorkerTx, statement,
};
use crate::{DatabaseUrls, Migrations, StorageError, StorageResult, migrate};
use futures::future::BoxFuture;
use netpatch_types::{RequestContext, TenantId};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, TransactionTrait};
use std::time::Duration;

/// Sizes and limits of the pools.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Connections of the role that serves requests.
    pub app_connections: u32,
    /// Connections of the role that writes the catalog.
    pub catalog_connections: u32,
    /// Connections of the role of background jobs.
    pub worker_connections: u32,
    /// A statement of a request or job may run this long; one of the catalog ten times as long.
    pub statement_timeout: Duration,
    /// A transaction may wait this long for its own program. A long writer stalls every consumer of events.
    pub idle_in_transaction_timeout: Duration,
    /// A request waits this long for a free connection.
    pub acquire_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            app_connections: 24,
            catalog_connections: 4,
            worker_connections: 8,
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::from_secs(30),
            acquire_timeout: Duration::from_secs(10),
        }
    }
}

impl PoolSettings {
    /// The usual ones with what an operator may set.
    #[must_use]
    pub fn of(app_connections: u32, statement_timeout_ms: u64) -> Self {
        Self {
            app_connections,
            statement_timeout: Duration::from_millis(statement_timeout_ms),
            ..Self::default()
        }
    }
}

/// The way to the database: transactions of four kinds, no pool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    app: DatabaseConnection,
    catalog: DatabaseConnection,
    worker: DatabaseConnection,
}

impl Database {
    /// Migrates what is missing, then connects.
    pub async fn open(
        urls: &DatabaseUrls,
        settings: &PoolSettings,
        all: &[Migrations],
    ) -> StorageResult<Self> {
        migrate(&urls.owner, all).await?;
        Self::connect(urls, settings).await
    }

    /// Connects as the three roles that serve. Fails at once when the database cannot be reached.
    pub async fn connect(urls: &DatabaseUrls, settings: &PoolSettings) -> StorageResult<Self> {
        let slow = settings.statement_timeout * 10;
        Ok(Self {
            app: pool(
                &urls.app,
                "netpatch",
                settings.app_connections,
                settings.statement_timeout,
                settings,
                false,
            )
            .await?,
            catalog: pool(
                &urls.catalog,
                "netpatch catalog",
                settings.catalog_connections,
                slow,
                settings,
                true,
            )
            .await?,
            worker: pool(
                &urls.worker,
                "netpatch worker",
                settings.worker_connections,
                settings.statement_timeout,
                settings,
                true,
            )
            .await?,
        })
    }

    /// A read-only transaction over the organizations that the request may read.
    pub async fn read(&self, context: &RequestContext) -> StorageResult<TenantTx> {
        let tx = self.app.begin().await?;
        let sql = "select set_config('transaction_read_only', 'on', true), set_config('app.tenants', $1, true)";
        tx.query_one_raw(statement(sql, [tenants_literal(&context.read).into()]))
            .await?;
        Ok(TenantTx::new(tx, Tenant { write: None }))
    }

    /// A transaction that changes the one organization which the request writes to. It also reads what the request may read.
    pub async fn write(&self, context: &RequestContext) -> StorageResult<TenantTx> {
        let tenant = context.write.ok_or(StorageError::NoTenant)?;
        let mut read = context.read.clone();
        if !read.contains(&tenant) {
            read.push(tenant);
        }
        let tx = self.app.begin().await?;
        let sql = "select set_config('app.tenants', $1, true), set_config('app.tenant', $2, true)";
        tx.query_one_raw(statement(
            sql,
            [tenants_literal(&read).into(), tenant.to_string().into()],
        ))
        .await?;
        Ok(TenantTx::new(
            tx,
            Tenant {
                write: Some(tenant),
            },
        ))
    }

    /// Gives `work` a write transaction, which it commits; repeats it up to four times when it collided with another one (deadlock,
    /// serialization failure). `work` has no effects outside the transaction. A business outcome is part of `T`.
    pub async fn write_repeating<T, W, F>(
        &self,
        context: &RequestContext,
        work: W,
    ) -> StorageResult<T>
    where
        W: Fn(TenantTx) -> F,
        F: Future<Output = StorageResult<T>>,
    {
        let mut attempt = 0;
        loop {
            match work(self.write(context).await?).await {
                Err(error) if attempt < 4 && error.is_contended() => {
                    attempt += 1;
                    let pause = Duration::from_millis(rand::random_range(5..20) * attempt);
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
    }

    /// A transaction that writes the catalog.
    pub async fn catalog_tx(&self) -> StorageResult<CatalogTx> {
        Ok(CatalogTx::new(self.catalog.begin().await?, Catalog))
    }

    /// A transaction that finds work for background jobs.
    pub async fn worker_tx(&self) -> StorageResult<WorkerTx> {
        Ok(WorkerTx::new(self.worker.begin().await?, Worker))
    }

    /// A read-only transaction without a tenant, for the directory's functions (`select * from identity.session_by_hash($1)`)
    /// and for reading the catalog. A tenant table raises in it.
    pub async fn directory_tx(&self) -> StorageResult<DirectoryTx> {
        let tx = self.app.begin().await?;
        tx.query_one_raw(statement(
            "select set_config('transaction_read_only', 'on', true)",
            [],
        ))
        .await?;
        Ok(DirectoryTx::new(tx, Directory))
    }

    /// As [`Self::directory_tx`], for the directory functions that write before an organization is known (claiming).
    pub async fn directory_write_tx(&self) -> StorageResult<DirectoryTx> {
        Ok(DirectoryTx::new(self.app.begin().await?, Directory))
    }

    /// Whether the database answers; for `/readyz`.
    pub async fn ping(&self) -> StorageResult<()> {
        Ok(self.app.ping().await?)
    }

    /// As [`Self::ping`], in the form that a process registers; what it says names no address.
    pub fn check(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync + use<> {
        let pool = self.app.clone();
        move || {
            let pool = pool.clone();
            Box::pin(async move {
                let answered = pool.ping().await;
                answered
                    .map(|()| "answers".to_owned())
                    .map_err(|_| "does not answer".to_owned())
            })
        }
    }

    /// Closes the pools; waits for open transactions.
    pub async fn close(self) {
        for pool in [self.app, self.catalog, self.worker] {
            if let Err(error) = pool.close().await {
                tracing::debug!(%error, "closing a pool failed");
            }
        }
    }
}

/// The literal of a uuid array. Ids are UUIDs, so nothing needs quoting.
fn tenants_literal(tenants: &[TenantId]) -> String {
    let ids: Vec<String> = tenants.iter().map(ToString::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

async fn pool(
    url: &str,
    name: &str,
    connections: u32,
    statement_timeout: Duration,
    settings: &PoolSettings,
    lazy: bool,
) -> StorageResult<DatabaseConnection> {
    let idle = format!("{}", settings.idle_in_transaction_timeout.as_millis());
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections.max(1))
        .min_connections(0)
        .acquire_timeout(settings.acquire_timeout)
        .connect_timeout(settings.acquire_timeout)
        .idle_timeout(Duration::from_secs(300))
        .statement_timeout(statement_timeout)
        .set_application_name(name.to_owned())
        .connect_lazy(lazy)
        .test_before_acquire_if_idle_for(Duration::from_secs(5))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |options| {
            options.options([("idle_in_transaction_session_timeout", idle.as_str())])
        });
    Ok(sea_orm::Database::connect(options).await?)
}
