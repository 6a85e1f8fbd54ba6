//! A private PostgreSQL for the run, gone afterwards.

use anyhow::{Context, Result};
use netpatch_storage::roles::connect_one;
use netpatch_storage::{PostgresSettings, PrivatePostgres};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TryGetable};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A server in a temporary folder.
pub(crate) struct Server {
    // Dropped in this order: the server has to end before its folder goes.
    postgres: PrivatePostgres,
    folder: tempfile::TempDir,
}

impl Server {
    /// `durable`: whether commits wait for the disk, as in production.
    pub(crate) async fn start(durable: bool) -> Result<Self> {
        let folder = tempfile::tempdir().context("temporary folder")?;
        // The server may run as another user and reads files to copy from here.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let settings = PostgresSettings {
            durable,
            ..PostgresSettings::new(folder.path().join("pg"))
        };
        let postgres = PrivatePostgres::start(settings)
            .await
            .context("start a private PostgreSQL")?;
        Ok(Self { postgres, folder })
    }

    /// The superuser's URL of a database.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        self.postgres.connection().admin_url(database)
    }

    /// A connection of the superuser.
    pub(crate) async fn admin(&self, database: &str) -> Result<DatabaseConnection> {
        Ok(connect_one(&self.admin_url(database)).await?)
    }

    /// A file that the server may read, for `COPY`.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path: &Path = self.folder.path();
        let path = path.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        Ok(path)
    }

    /// How many statements the server has logged; it does when told to (`log_statement`).
    pub(crate) fn logged_statements(&self) -> Result<usize> {
        let log = std::fs::read(self.folder.path().join("pg/log")).context("the server's log")?;
        let is_statement = |line: &&[u8]| {
            let line = String::from_utf8_lossy(line);
            line.contains("LOG:  statement: ") || line.contains("LOG:  execute ")
        };
        Ok(log
            .split(|byte| *byte == b'\n')
            .filter(is_statement)
            .count())
    }

    /// Ends the server.
    pub(crate) async fn stop(self) {
        self.postgres.stop().await;
    }
}

/// The first column of the first row.
pub(crate) async fn value<T: TryGetable>(db: &DatabaseConnection, sql: &str) -> Result<T> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = db.query_one_raw(statement).await?.context("no row")?;
    Ok(row.try_get_by_index(0)?)
}
