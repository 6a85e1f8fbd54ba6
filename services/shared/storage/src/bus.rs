//! Hints between processes: "look now". In the process, or on Redis.
//!
//! Invariant: nothing depends on a hint's arrival. Publishing cannot fail for the caller, a subscription never ends, and after
//! a lost connection it yields one empty hint, because something may have been missed.

mod memory;
mod redis;

use futures::stream::BoxStream;
use std::sync::Arc;

pub use memory::MemoryBus;
pub use redis::RedisBus;

/// Hints of a topic, as bytes; never ends.
pub type Hints = BoxStream<'static, Vec<u8>>;

/// A bus that is handed around.
pub type SharedBus = Arc<dyn Bus>;

/// Topics with small messages to whoever listens at this moment.
#[async_trait::async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Tells the subscribers of a topic. Lost when nobody listens or the bus cannot be reached.
    async fn publish(&self, topic: &str, hint: &[u8]);

    /// Hints from now on: those published after this returns arrive, unless the connection is lost.
    async fn subscribe(&self, topic: &str) -> Hints;
}

/// The bus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Not `memory:` or `redis://…` or `rediss://…`.
    #[error("{0:?} is no address of a bus; use memory: or redis://host:port")]
    Address(String),
    /// Redis does not answer.
    #[error("connecting to redis failed: {0}")]
    Connect(#[source] ::redis::RedisError),
}

/// Connects by address: `memory:` (this process only) or `redis://…`.
pub async fn connect(address: &str) -> Result<SharedBus, BusError> {
    match address.split(':').next() {
        Some("memory") => Ok(Arc::new(MemoryBus::default())),
        Some("redis" | "rediss") => Ok(Arc::new(RedisBus::connect(address).await?)),
        _ => Err(BusError::Address(address.to_owned())),
    }
}
