//! What can go wrong with the database, and what of it a caller may see.

use netpatch_types::{ErrorCode, ServiceError};
use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// What every function of this crate that touches the database returns.
pub type StorageResult<T> = Result<T, StorageError>;

/// A failed step with the database. Its text is for the log; a client sees the [`ServiceError`] made from it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A row with this key exists (SQLSTATE 23505).
    #[error("the key of {constraint} exists already")]
    Duplicate {
        /// The violated constraint's name.
        constraint: String,
    },
    /// The row refers to one that is absent, or is referred to (SQLSTATE 23503).
    #[error("a reference of {constraint} does not hold")]
    Reference {
        /// The violated constraint's name.
        constraint: String,
    },
    /// Serialization failure or deadlock (SQLSTATE 40001, 40P01): the transaction may be repeated.
    #[error("the transaction collided with another one")]
    Contended(#[source] DbErr),
    /// The database cannot be reached, is starting or stopping, or all connections are busy.
    #[error("the database cannot be reached")]
    Unavailable(#[source] DbErr),
    /// A change without exactly one organization to write to.
    #[error("a change names exactly one organization")]
    NoTenant,
    /// Anything else that the database said.
    #[error("the database refused: {0}")]
    Query(#[source] DbErr),
    /// A migration of a schema failed.
    #[error("migrating the schema {schema} failed: {source}")]
    Migration {
        /// Whose.
        schema: String,
        /// Why.
        #[source]
        source: DbErr,
    },
    /// A value cannot be written as JSON, or what was stored cannot be read.
    #[error("{what} cannot be encoded or decoded: {reason}")]
    Encoding {
        /// Of what.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A setting of the database is wrong.
    #[error("wrong database setting: {0}")]
    Setting(String),
}

impl StorageError {
    /// Whether repeating the whole transaction may succeed at once.
    #[must_use]
    pub fn is_contended(&self) -> bool {
        matches!(self, Self::Contended(_))
    }

    /// The violated unique constraint's name, to tell a caller which name is taken.
    #[must_use]
    pub fn duplicate(&self) -> Option<&str> {
        match self {
            Self::Duplicate { constraint } => Some(constraint),
            _ => None,
        }
    }
}

/// The SQLSTATE and constraint name of an error that the server sent.
fn server_error(error: &DbErr) -> Option<(String, String)> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner))
    | DbErr::Query(RuntimeErr::SqlxError(inner))
    | DbErr::Conn(RuntimeErr::SqlxError(inner))) = error
    else {
        return None;
    };
    let server = inner.as_database_error()?;
    Some((
        server.code()?.into_owned(),
        server.constraint().unwrap_or_default().to_owned(),
    ))
}

/// Whether the way to the server is gone, as opposed to an answer from it.
fn lost(error: &SqlxError) -> bool {
    matches!(
        error,
        SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
    )
}

impl From<DbErr> for StorageError {
    fn from(error: DbErr) -> Self {
        if let Some((code, constraint)) = server_error(&error) {
            return match code.as_str() {
                "23505" => Self::Duplicate { constraint },
                "23503" => Self::Reference { constraint },
                "40001" | "40P01" => Self::Contended(error),
                // connection exceptions, too many connections, shutdown and start of the server
                code if code.starts_with("08") || code.starts_with("57P") || code == "53300" => {
                    Self::Unavailable(error)
                }
                _ => Self::Query(error),
            };
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error),
            DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner))
                if lost(inner) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Query(error),
        }
    }
}

impl From<StorageError> for ServiceError {
    /// Logs the cause; the caller gets a class of error without internal text.
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::Duplicate { constraint } => {
                tracing::debug!(constraint, "a unique key exists already");
                Self::new(
                    ErrorCode::Conflict,
                    "an object with this name or key exists already",
                )
            }
            StorageError::Contended(cause) => {
                tracing::warn!(%cause, "transaction collided");
                Self::unavailable("the database")
            }
            StorageError::Unavailable(cause) => {
                tracing::error!(%cause, "database cannot be reached");
                Self::unavailable("the database")
            }
            StorageError::NoTenant => {
                Self::invalid("organizationId", "a change names exactly one organization")
            }
            _ => {
                tracing::error!(error = %error, "storage failed");
                Self::internal()
            }
        }
    }
}
