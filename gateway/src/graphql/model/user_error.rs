//! What a mutation refuses, as part of its payload.

use super::Approval;
use crate::graphql::context::tenant_id;
use crate::graphql::{Result, session};
use async_graphql::{Context, Enum, ID, Interface, Object};
use netpatch_types::{ApprovalId, ErrorCode, ServiceError};

/// Why a mutation was refused.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserErrorCode {
    /// The input is wrong; `path` says where.
    BadUserInput,
    /// Absent, or another organization's.
    NotFound,
    /// Not allowed.
    Forbidden,
    /// Somebody else changed it first.
    Conflict,
    /// The idempotency key was used with another input.
    IdempotencyMismatch,
    /// The object's state does not allow it.
    InvalidState,
    /// Who asked may not approve.
    SelfApproval,
    /// A person must decide first.
    ApprovalRequired,
    /// A stated limit is exceeded.
    LimitExceeded,
}

impl UserErrorCode {
    /// The code of what the caller can mend; `None` for the platform's own trouble, which is a GraphQL error.
    pub(crate) fn of(code: ErrorCode) -> Option<Self> {
        Some(match code {
            ErrorCode::BadUserInput => Self::BadUserInput,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::Conflict => Self::Conflict,
            ErrorCode::IdempotencyMismatch => Self::IdempotencyMismatch,
            ErrorCode::InvalidState => Self::InvalidState,
            ErrorCode::SelfApproval => Self::SelfApproval,
            ErrorCode::ApprovalRequired => Self::ApprovalRequired,
            ErrorCode::LimitExceeded => Self::LimitExceeded,
            ErrorCode::Unauthenticated
            | ErrorCode::Throttled
            | ErrorCode::UpstreamUnavailable
            | ErrorCode::InternalServerError => return None,
        })
    }
}

/// Why a mutation was refused.
#[derive(Clone, Interface)]
#[graphql(
    field(name = "code", ty = "UserErrorCode", desc = "What kind of refusal."),
    field(name = "message", ty = "String", desc = "For a person."),
    field(
        name = "path",
        ty = "Vec<String>",
        desc = "Where in the input, outermost first; empty when it is not about one field."
    )
)]
pub enum UserError {
    /// The input, the state or a right.
    Input(InputError),
    /// Somebody was faster.
    Conflict(ConflictError),
    /// A person must decide first.
    ApprovalRequired(ApprovalRequiredError),
}

macro_rules! refusal {
    ($(#[$doc:meta])* $name:ident { $($extra:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            code: UserErrorCode,
            error: ServiceError,
        }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// What kind of refusal.
            pub async fn code(&self) -> UserErrorCode {
                self.code
            }

            /// For a person.
            pub async fn message(&self) -> String {
                self.error.message.clone()
            }

            /// Where in the input, outermost first; empty when it is not about one field.
            pub async fn path(&self) -> Vec<String> {
                match self.error.path.is_empty() {
                    true => Vec::new(),
                    false => std::iter::once("input".to_owned()).chain(self.error.path.iter().cloned()).collect(),
                }
            }

            $($extra)*
        }
    };
}

refusal! {
    /// The input, the state or a right does not allow it.
    InputError {}
}
refusal! {
    /// Somebody else changed it first: read it again.
    ConflictError {
        /// The etag now.
        pub async fn current_etag(&self) -> String {
            self.error.detail.clone().unwrap_or_default()
        }
    }
}
refusal! {
    /// A person must decide first.
    ApprovalRequiredError {
        /// The approval that waits.
        pub async fn approval(&self, ctx: &Context<'_>) -> Result<Option<Approval>> {
            let Some(id) = self.error.detail.clone().map(ID::from) else { return Ok(None) };
            match tenant_id::<ApprovalId>(&id, ApprovalId::PREFIX, "approval") {
                Ok((organization, id)) => super::approval::find(session(ctx)?, organization, id).await,
                Err(_) => Ok(None),
            }
        }
    }
}

impl UserError {
    /// The refusal, or the error back when it is the platform's own trouble.
    pub(crate) fn of(error: ServiceError) -> std::result::Result<Self, ServiceError> {
        match UserErrorCode::of(error.code) {
            None => Err(error),
            Some(code @ UserErrorCode::Conflict) if error.detail.is_some() => {
                Ok(Self::Conflict(ConflictError { code, error }))
            }
            Some(code @ UserErrorCode::ApprovalRequired) => {
                Ok(Self::ApprovalRequired(ApprovalRequiredError {
                    code,
                    error,
                }))
            }
            Some(code) => Ok(Self::Input(InputError { code, error })),
        }
    }
}
