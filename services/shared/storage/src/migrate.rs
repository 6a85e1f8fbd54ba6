//! Migrations: each service's own, run as owner, one process at a time.

use crate::roles::{ADVISORY_LOCK, connect_one, identifier};
use crate::transaction::statement;
use crate::{StorageError, StorageResult};
use futures::future::BoxFuture;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;

/// The migrations of one schema, without their type.
#[derive(Clone, Copy)]
pub struct Migrations {
    schema: &'static str,
    name: &'static str,
    table: fn() -> String,
    up: fn(&DatabaseConnection) -> BoxFuture<'_, Result<(), DbErr>>,
}

impl std::fmt::Debug for Migrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Migrations({}: {})", self.schema, self.name)
    }
}

impl Migrations {
    /// The migrations of `M`, whose `migration_table_name()` must be `<schema>_migrations`.
    #[must_use]
    pub fn of<M: MigratorTrait>(schema: &'static str) -> Self {
        fn up<M: MigratorTrait>(
            connection: &DatabaseConnection,
        ) -> BoxFuture<'_, Result<(), DbErr>> {
            Box::pin(async move { M::up(connection, None).await })
        }
        Self {
            schema,
            name: std::any::type_name::<M>(),
            table: || M::migration_table_name().to_string(),
            up: up::<M>,
        }
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.schema
    }

    /// Names the migrator, to tell sets of migrations apart.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// Applies what is missing, in the order given, as the owner and under an advisory lock. Idempotent.
pub async fn migrate(owner_url: &str, all: &[Migrations]) -> StorageResult<()> {
    let owner = connect_one(owner_url).await?;
    // A lock of the session: it ends with the connection, whatever happens.
    owner
        .execute_raw(statement(
            "select pg_advisory_lock($1)",
            [ADVISORY_LOCK.into()],
        ))
        .await?;
    let done = run(&owner, all).await;
    let _ = owner.close().await;
    done
}

async fn run(owner: &DatabaseConnection, all: &[Migrations]) -> StorageResult<()> {
    for migrations in all {
        let schema = identifier(migrations.schema)?;
        let (expected, actual) = (format!("{schema}_migrations"), (migrations.table)());
        if actual != expected {
            return Err(StorageError::Setting(format!(
                "migration_table_name of {} is {actual}, not {expected}",
                migrations.name
            )));
        }
        (migrations.up)(owner)
            .await
            .map_err(|source| StorageError::Migration {
                schema: schema.to_owned(),
                source,
            })?;
    }
    Ok(())
}

/// Runs statements one by one.
pub async fn execute_all<C, I>(connection: &C, sql: I) -> Result<(), DbErr>
where
    C: ConnectionTrait,
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    for statement in sql {
        connection.execute_unprepared(statement.as_ref()).await?;
    }
    Ok(())
}

/// Splits the text of a migration into statements: each ends with a semicolon at the end of a line, outside `$$ … $$`.
/// Lines that start with `--` are left out.
#[must_use]
pub fn statements(text: &str) -> Vec<String> {
    let (mut all, mut current, mut quoted) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if !quoted
            && (line.trim_start().starts_with("--")
                || (current.is_empty() && line.trim().is_empty()))
        {
            continue;
        }
        current.push_str(line);
        current.push('\n');
        if line.matches("$$").count() % 2 == 1 {
            quoted = !quoted;
        }
        if !quoted && line.trim_end().ends_with(';') {
            let statement = std::mem::take(&mut current);
            all.push(statement.trim().trim_end_matches(';').to_owned());
        }
    }
    if !current.trim().is_empty() {
        all.push(current.trim().to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_stay_whole_and_comments_go() {
        let text = "-- first\ncreate table a (x int);\n\ncreate function f() returns int language sql as $$\n  select 1;\n$$;\n\
                    create index i\n  on a (x);\ninsert into a values (1)";
        let all = statements(text);
        assert_eq!(all.len(), 4, "{all:?}");
        assert_eq!(all[0], "create table a (x int)");
        assert!(all[1].contains("select 1;") && all[1].ends_with("$$"));
        assert_eq!(all[3], "insert into a values (1)");
    }
}
