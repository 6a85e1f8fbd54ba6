//! Payloads: what was made, and what was refused.

use crate::graphql::Result;
use crate::graphql::model::UserError;

/// A payload type: nullable objects and `userErrors`.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Default, async_graphql::SimpleObject)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Option<$type>,)*
            /// Why nothing was done; empty when it was.
            pub user_errors: Vec<$crate::graphql::model::UserError>,
        }

        impl From<$crate::graphql::model::UserError> for $name {
            fn from(error: $crate::graphql::model::UserError) -> Self {
                Self { user_errors: vec![error], ..Self::default() }
            }
        }
    };
}

pub(crate) use payload;

/// The payload of what was done, or of why it was refused.
pub(crate) fn answer<P: From<UserError>>(result: Result<P>) -> Result<P> {
    match result {
        Ok(payload) => Ok(payload),
        Err(error) => Ok(P::from(UserError::of(error)?)),
    }
}
