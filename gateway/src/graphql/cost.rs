//! What a request costs: its complexity is taken from the caller's bucket before it is executed.

use crate::throttle::{Bucket, Standing};
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{ServerError, ValidationResult, Value};
use netpatch_types::{ErrorCode, ServiceError};
use std::sync::{Arc, Mutex, PoisonError};

/// One request's charge.
#[derive(Clone, Debug)]
pub struct Charge {
    bucket: Bucket,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    requested: u32,
    refused_for_ms: Option<u64>,
}

impl Charge {
    /// Nothing taken yet.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            taken: Arc::default(),
        }
    }

    /// How the bucket stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.bucket.standing()
    }

    /// Milliseconds until the request could be paid, if it was refused.
    #[must_use]
    pub fn refused_for_ms(&self) -> Option<u64> {
        self.taken().refused_for_ms
    }

    fn taken(&self) -> Taken {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, complexity: usize) -> Result<(), ServiceError> {
        let requested = u32::try_from(complexity).unwrap_or(u32::MAX).max(1);
        let outcome = self.bucket.take(requested);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.requested = requested;
        taken.refused_for_ms = outcome.err();
        match outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(ServiceError::new(
                ErrorCode::Throttled,
                "the bucket of points is empty; wait and ask for less",
            )),
        }
    }

    /// Gives back what was asked for but not used; the `cost` of the answer's extensions.
    #[must_use]
    pub fn settle(&self, data: &Value) -> Value {
        let requested = self.taken().requested;
        let actual = if self.taken().refused_for_ms.is_some() {
            0
        } else {
            fields(data).clamp(1, requested.max(1))
        };
        if self.taken().refused_for_ms.is_none() {
            self.bucket.give_back(requested.saturating_sub(actual));
        }
        let standing = self.standing();
        async_graphql::value!({
            "requested": requested,
            "actual": actual,
            "throttle": { "maximum": standing.maximum, "available": standing.available, "restoreRate": standing.restore_rate }
        })
    }
}

/// Fields that were answered.
fn fields(value: &Value) -> u32 {
    match value {
        Value::List(items) => items.iter().map(fields).fold(0, u32::saturating_add),
        Value::Object(object) => object
            .values()
            .map(|value| fields(value).saturating_add(1))
            .fold(0, u32::saturating_add),
        _ => 0,
    }
}

/// Takes the points between validation and execution.
pub(crate) struct Charging;

impl ExtensionFactory for Charging {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Charging {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(ctx).await?;
        if let Some(charge) = ctx.data_opt::<Charge>() {
            charge.take(result.complexity).map_err(|error| {
                vec![async_graphql::Error::from(error).into_server_error(Default::default())]
            })?;
        }
        Ok(result)
    }
}
