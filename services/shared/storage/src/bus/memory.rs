//! The bus of one process.

use super::{Bus, Hints};
use futures::StreamExt as _;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};

/// Waiting hints of a slow subscriber; older ones are replaced by one empty hint.
const WAITING: usize = 256;

/// Hints within this process.
#[derive(Debug, Default)]
pub struct MemoryBus {
    topics: Mutex<HashMap<String, broadcast::Sender<Vec<u8>>>>,
}

#[async_trait::async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, topic: &str, hint: &[u8]) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = topics.get(topic)
            && sender.send(hint.to_vec()).is_err()
        {
            // Nobody listens any more.
            topics.remove(topic);
        }
    }

    async fn subscribe(&self, topic: &str) -> Hints {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = topics
            .entry(topic.to_owned())
            .or_insert_with(|| broadcast::channel(WAITING).0);
        let received = futures::stream::unfold(sender.subscribe(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(hint) => Some((hint, receiver)),
                Err(RecvError::Lagged(_)) => Some((Vec::new(), receiver)),
                Err(RecvError::Closed) => None,
            }
        });
        received.chain(futures::stream::pending()).boxed()
    }
}
