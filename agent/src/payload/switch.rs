//! Payloads from where they come now: the relay that was found, or the vendor.

use super::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource};
use async_trait::async_trait;
use std::sync::{Arc, PoisonError, RwLock};

/// A source that can be exchanged; a fetch that has begun goes on with the old one.
pub struct Switch(RwLock<Arc<dyn PayloadSource>>);

impl Switch {
    /// With this one first.
    #[must_use]
    pub fn new(source: Arc<dyn PayloadSource>) -> Self {
        Self(RwLock::new(source))
    }

    /// From now on with this one.
    pub fn set(&self, source: Arc<dyn PayloadSource>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = source;
    }

    fn now(&self) -> Arc<dyn PayloadSource> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl PayloadSource for Switch {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        self.now().fetch(request).await
    }
}
