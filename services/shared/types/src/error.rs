//! About ten error codes, mapped once to HTTP, GraphQL and QUIC. Internal text never reaches a client.

use serde::{Deserialize, Serialize};

/// What went wrong, in the caller's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The input is wrong; `path` says where.
    BadUserInput,
    /// Nobody is signed in.
    Unauthenticated,
    /// Signed in, but not allowed. Never used across organizations: there it is `NotFound`.
    Forbidden,
    /// Absent, or another organization's.
    NotFound,
    /// Somebody else changed it first; `detail` is the current etag.
    Conflict,
    /// The same idempotency key with another body.
    IdempotencyMismatch,
    /// The object's state does not allow it; the message names the state.
    InvalidState,
    /// The requester may not approve.
    SelfApproval,
    /// A decision of a person is missing; `detail` is the approval's public id.
    ApprovalRequired,
    /// Too often; try again later.
    Throttled,
    /// A stated limit is exceeded.
    LimitExceeded,
    /// Another part of the platform cannot be reached; try again.
    UpstreamUnavailable,
    /// Our fault; the log has the rest under the request id.
    InternalServerError,
}

impl ErrorCode {
    /// The HTTP status of this code (RFC 9110).
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadUserInput => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::SelfApproval => 403,
            Self::NotFound => 404,
            Self::Conflict
            | Self::IdempotencyMismatch
            | Self::InvalidState
            | Self::ApprovalRequired => 409,
            Self::Throttled => 429,
            Self::LimitExceeded => 413,
            Self::UpstreamUnavailable => 503,
            Self::InternalServerError => 500,
        }
    }
}

/// The error of every service call. `message` is safe to show to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    /// The class of the error.
    pub code: ErrorCode,
    /// Lower case, no full stop: what, where, what to do.
    pub message: String,
    /// Where in the input, outermost first; empty when it is not about one field.
    #[serde(default)]
    pub path: Vec<String>,
    /// What the code's documentation says.
    #[serde(default)]
    pub detail: Option<String>,
}

/// What every service call returns.
pub type ServiceResult<T> = Result<T, ServiceError>;

impl ServiceError {
    /// An error without a place.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: Vec::new(),
            detail: None,
        }
    }

    /// Wrong input at a field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self {
            path: vec![field.to_owned()],
            ..Self::new(ErrorCode::BadUserInput, message)
        }
    }

    /// Absent, or another organization's: both look the same.
    #[must_use]
    pub fn not_found(noun: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{noun} not found"))
    }

    /// Not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// The state does not allow it.
    pub fn invalid_state(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidState, message)
    }

    /// Somebody else changed it first.
    pub fn conflict(current_etag: impl Into<String>) -> Self {
        Self {
            detail: Some(current_etag.into()),
            ..Self::new(
                ErrorCode::Conflict,
                "changed by somebody else since you read it; read it again",
            )
        }
    }

    /// The condition of a change: a conflict when the caller read another version than the one that is held.
    pub fn unless_read(if_match: Option<&str>, held_etag: &str) -> ServiceResult<()> {
        match if_match {
            Some(read) if read != held_etag => Err(Self::conflict(held_etag)),
            _ => Ok(()),
        }
    }

    /// Our fault. Log the cause before making this: the caller does not see it.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::InternalServerError, "internal error")
    }

    /// Another part cannot be reached.
    #[must_use]
    pub fn unavailable(what: &str) -> Self {
        Self::new(
            ErrorCode::UpstreamUnavailable,
            format!("{what} cannot be reached; try again"),
        )
    }
}
