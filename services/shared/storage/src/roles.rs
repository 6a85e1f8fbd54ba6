//! The database roles: who owns, who serves, who writes the catalog, who works in the background.
//!
//! Invariant: the roles that serve are never owner, superuser or BYPASSRLS, so that row-level security always holds for them.

use crate::transaction::statement;
use crate::{StorageError, StorageResult};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use std::fmt;

/// Owns every object; runs migrations.
pub const OWNER: &str = "netpatch_owner";
/// Serves requests.
pub const APP: &str = "netpatch_app";
/// Writes the catalog.
pub const CATALOG: &str = "netpatch_catalog";
/// Background jobs.
pub const WORKER: &str = "netpatch_worker";

/// Held while roles or schemas change, so that two processes that start together do not collide.
pub(crate) const ADVISORY_LOCK: i64 = 0x6e65_7470_6174;

/// How to connect as each role, `postgres://user:password@host/database`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrls {
    /// Role [`OWNER`]. A process that does not migrate may leave it empty.
    pub owner: String,
    /// Role [`APP`].
    pub app: String,
    /// Role [`CATALOG`].
    pub catalog: String,
    /// Role [`WORKER`].
    pub worker: String,
}

impl From<[String; 4]> for DatabaseUrls {
    /// Owner, app, catalog, worker.
    fn from([owner, app, catalog, worker]: [String; 4]) -> Self {
        Self {
            owner,
            app,
            catalog,
            worker,
        }
    }
}

impl fmt::Debug for DatabaseUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrls(…)")
    }
}

/// Creates roles and database if absent, through the URL of a superuser (or CREATEROLE and CREATEDB), and returns a URL per role.
/// The roles' passwords are derived from the administrator's, so every process that has that URL gets the same. Idempotent.
pub async fn bootstrap(admin_url: &str, database: &str) -> StorageResult<DatabaseUrls> {
    identifier(database)?;
    let url = AdminUrl::parse(admin_url)?;
    let admin = connect_one(admin_url).await?;
    let done = create(&admin, &url, database).await;
    let _ = admin.close().await;
    done?;
    Ok(DatabaseUrls {
        owner: url.of(OWNER, database),
        app: url.of(APP, database),
        catalog: url.of(CATALOG, database),
        worker: url.of(WORKER, database),
    })
}

/// One connection, for administration.
pub async fn connect_one(url: &str) -> StorageResult<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .min_connections(0)
        .sqlx_logging(false)
        .test_before_acquire(false);
    Ok(sea_orm::Database::connect(options).await?)
}

async fn create(
    admin: &DatabaseConnection,
    url: &AdminUrl<'_>,
    database: &str,
) -> StorageResult<()> {
    admin
        .execute_raw(statement(
            "select pg_advisory_lock($1)",
            [ADVISORY_LOCK.into()],
        ))
        .await?;
    for role in [OWNER, APP, CATALOG, WORKER] {
        let known = admin
            .query_one_raw(statement(
                "select 1 from pg_roles where rolname = $1",
                [role.into()],
            ))
            .await?
            .is_some();
        let verb = if known { "alter" } else { "create" };
        // The password is hexadecimal, so it needs no quoting.
        let password = url.password_of(role);
        admin
            .execute_unprepared(&format!("{verb} role {role} login nocreatedb nocreaterole nobypassrls noreplication password '{password}'"))
            .await?;
    }
    let known = admin
        .query_one_raw(statement(
            "select 1 from pg_database where datname = $1",
            [database.into()],
        ))
        .await?
        .is_some();
    if !known {
        // An administrator that is no superuser must be a member of the owner to create its database.
        admin
            .execute_unprepared(&format!("grant {OWNER} to current_user"))
            .await?;
        admin
            .execute_unprepared(&format!(
                "create database {database} owner {OWNER} encoding 'UTF8' template template0"
            ))
            .await?;
        admin
            .execute_unprepared(&format!("revoke all on database {database} from public"))
            .await?;
        for role in [APP, CATALOG, WORKER] {
            admin
                .execute_unprepared(&format!(
                    "grant connect, temporary on database {database} to {role}"
                ))
                .await?;
        }
    }
    admin
        .execute_raw(statement(
            "select pg_advisory_unlock($1)",
            [ADVISORY_LOCK.into()],
        ))
        .await?;
    Ok(())
}

/// A name that needs no quoting in SQL.
pub(crate) fn identifier(name: &str) -> StorageResult<&str> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain
        && name.len() <= 63
        && name
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_lowercase())
    {
        Ok(name)
    } else {
        Err(StorageError::Setting(format!(
            "{name:?} is not a plain lower-case name"
        )))
    }
}

/// The parts of `postgres://user:password@host/database?options` that are kept.
struct AdminUrl<'a> {
    password: &'a str,
    host: &'a str,
    options: &'a str,
}

impl<'a> AdminUrl<'a> {
    fn parse(url: &'a str) -> StorageResult<Self> {
        let wrong = || {
            StorageError::Setting(
                "an administrator's URL is postgres://user:password@host/database".to_owned(),
            )
        };
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(wrong)?;
        let (user, rest) = rest.split_once('@').ok_or_else(wrong)?;
        let (_, password) = user.split_once(':').ok_or_else(wrong)?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, _) = place.split_once('/').unwrap_or((place, ""));
        if password.is_empty() || host.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            password,
            host,
            options,
        })
    }

    fn password_of(&self, role: &str) -> String {
        netpatch_types::Sha256::of(format!("netpatch role\0{role}\0{}", self.password).as_bytes())
            .to_string()
    }

    fn of(&self, role: &str, database: &str) -> String {
        let separator = if self.options.is_empty() { "" } else { "?" };
        format!(
            "postgres://{role}:{}@{}/{database}{separator}{}",
            self.password_of(role),
            self.host,
            self.options
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_own_password_and_the_same_place() {
        let url = AdminUrl::parse("postgres://postgres:secret@%2Frun%2Fx/postgres?sslmode=require")
            .unwrap();
        let app = url.of(APP, "netpatch");
        assert!(
            app.starts_with("postgres://netpatch_app:")
                && app.ends_with("@%2Frun%2Fx/netpatch?sslmode=require"),
            "{app}"
        );
        assert_ne!(url.password_of(APP), url.password_of(OWNER));
        assert!(!app.contains("secret"));
        assert!(AdminUrl::parse("postgres://postgres@host/db").is_err());
    }

    #[test]
    fn only_plain_names_are_identifiers() {
        assert!(identifier("netpatch_2").is_ok());
        for wrong in ["", "Net", "a-b", "1a", "a;drop"] {
            assert!(identifier(wrong).is_err(), "{wrong}");
        }
    }
}
