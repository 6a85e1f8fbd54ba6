//! Transactions, the only way to the database. Their type says whose rights they have.
//!
//! Invariant: the first statement of a tenant transaction sets `app.tenants` (and `app.tenant` for a write), local to the
//! transaction. Dropping a transaction rolls it back.

use crate::{StorageError, StorageResult};
use netpatch_types::TenantId;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, FromQueryResult,
    QueryResult, Statement, Value,
};

/// Rows of the tenants of a request; see [`crate::Database::read`] and [`crate::Database::write`].
pub type TenantTx = Tx<Tenant>;
/// Writes the catalog: feeds, advisories, patches, components. Sees no tenant's rows.
pub type CatalogTx = Tx<Catalog>;
/// Finds work for background jobs on the tables that a `worker_may` opened. Writes of a tenant's rows beyond them need a [`TenantTx`].
pub type WorkerTx = Tx<Worker>;
/// Read-only, without a tenant: calls the directory's functions and reads the catalog.
pub type DirectoryTx = Tx<Directory>;

/// Marks a [`TenantTx`].
#[derive(Debug)]
pub struct Tenant {
    pub(crate) write: Option<TenantId>,
}
/// Marks a [`CatalogTx`].
#[derive(Debug)]
pub struct Catalog;
/// Marks a [`WorkerTx`].
#[derive(Debug)]
pub struct Worker;
/// Marks a [`DirectoryTx`].
#[derive(Debug)]
pub struct Directory;

/// A transaction. Also a [`ConnectionTrait`], so entities and statements of sea-orm work on it.
pub struct Tx<S> {
    inner: DatabaseTransaction,
    scope: S,
}

impl<S> std::fmt::Debug for Tx<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<Self>())
    }
}

impl<S> Tx<S> {
    pub(crate) fn new(inner: DatabaseTransaction, scope: S) -> Self {
        Self { inner, scope }
    }

    /// Every row of a query. Placeholders are `$1`, `$2`, …
    pub async fn all<T: FromQueryResult>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StorageResult<Vec<T>> {
        let rows = self.inner.query_all_raw(statement(sql, values)).await?;
        rows.iter()
            .map(|row| T::from_query_result(row, "").map_err(StorageError::from))
            .collect()
    }

    /// The first row of a query, if any.
    pub async fn one<T: FromQueryResult>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StorageResult<Option<T>> {
        let row = self.inner.query_one_raw(statement(sql, values)).await?;
        row.map(|row| T::from_query_result(&row, ""))
            .transpose()
            .map_err(StorageError::from)
    }

    /// The first column of the first row, if there is a row: counts, ids, `returning`.
    pub async fn value<T: sea_orm::TryGetable>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StorageResult<Option<T>> {
        let row = self.inner.query_one_raw(statement(sql, values)).await?;
        row.map(|row| row.try_get_by_index(0))
            .transpose()
            .map_err(StorageError::from)
    }

    /// Runs a statement; how many rows it touched.
    pub async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StorageResult<u64> {
        Ok(self
            .inner
            .execute_raw(statement(sql, values))
            .await?
            .rows_affected())
    }

    /// Makes the changes durable. Without it they are rolled back.
    pub async fn commit(self) -> StorageResult<()> {
        Ok(self.inner.commit().await?)
    }

    /// Gives the changes up. Dropping does the same, later.
    pub async fn rollback(self) -> StorageResult<()> {
        Ok(self.inner.rollback().await?)
    }
}

impl TenantTx {
    /// The one organization that this transaction writes to; an error in a read.
    pub fn tenant(&self) -> StorageResult<TenantId> {
        self.scope.write.ok_or(StorageError::NoTenant)
    }
}

/// A statement with `$n` placeholders.
pub(crate) fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

#[async_trait::async_trait]
impl<S: Send + Sync> ConnectionTrait for Tx<S> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}
