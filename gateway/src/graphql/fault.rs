//! A nullable field whose resolver fails is null; its neighbours stay (GraphQL §6.4.4).
//!
//! async-graphql ends the whole parent when a resolver returns an error, whatever the field's type says. This stops the error at the
//! nearest nullable field and keeps it for the answer.

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo,
};
use async_graphql::{ServerError, ServerResult, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Errors of one request's nullable fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<ServerError>>>);

impl Faults {
    fn keep(&self, error: ServerError) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(error);
    }

    /// What was kept since the last time.
    pub(crate) fn take(&self) -> Vec<ServerError> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps errors at nullable fields.
pub(crate) struct Containing;

impl ExtensionFactory for Containing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Containing {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let is_nullable = !info.return_type.ends_with('!');
        match next.run(ctx, info).await {
            Err(error) if is_nullable => match ctx.data_opt::<Faults>() {
                Some(faults) => {
                    faults.keep(error);
                    Ok(Some(Value::Null))
                }
                None => Err(error),
            },
            other => other,
        }
    }
}
