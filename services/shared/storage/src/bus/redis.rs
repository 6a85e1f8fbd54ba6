//! The bus of several processes, on Redis publish/subscribe. Redis holds no truth.

use super::{Bus, BusError, Hints};
use futures::StreamExt as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::{Client, RedisError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Waiting hints of a slow subscriber; further ones are dropped, since one wakes as well as many.
const WAITING: usize = 256;

/// Hints through a Redis server. Each subscription has a connection of its own.
pub struct RedisBus {
    client: Client,
    publisher: ConnectionManager,
}

impl std::fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisBus")
    }
}

impl RedisBus {
    /// Connects to `redis://…` or `rediss://…`; fails when the server does not answer now. Later losses heal by themselves.
    pub async fn connect(address: &str) -> Result<Self, BusError> {
        let client = Client::open(address).map_err(|_| BusError::Address(address.to_owned()))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_secs(2))
            .set_connection_timeout(Some(Duration::from_secs(5)))
            .set_response_timeout(Some(Duration::from_secs(2)));
        let publisher = ConnectionManager::new_with_config(client.clone(), config)
            .await
            .map_err(BusError::Connect)?;
        Ok(Self { client, publisher })
    }
}

#[async_trait::async_trait]
impl Bus for RedisBus {
    async fn publish(&self, topic: &str, hint: &[u8]) {
        let mut connection = self.publisher.clone();
        let sent = async {
            let mut command = redis::cmd("PUBLISH");
            command
                .arg(topic)
                .arg(hint)
                .query_async::<i64>(&mut connection)
                .await
        };
        // A request does not wait for a bus that is away.
        match tokio::time::timeout(Duration::from_millis(500), sent).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(topic, %error, "a hint was lost"),
            Err(_) => tracing::debug!(topic, "a hint was lost: redis is slow"),
        }
    }

    async fn subscribe(&self, topic: &str) -> Hints {
        let (sender, receiver) = mpsc::channel(WAITING);
        let first = listen(&self.client, topic).await.ok();
        let (client, topic) = (self.client.clone(), topic.to_owned());
        // The task ends when the stream is dropped: then `sender.closed()` resolves.
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = forward(&client, &topic, first, &sender) => {}
            }
        });
        futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|hint| (hint, receiver))
        })
        .chain(futures::stream::pending())
        .boxed()
    }
}

async fn listen(client: &Client, topic: &str) -> Result<PubSub, RedisError> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(topic).await?;
    Ok(subscription)
}

/// Passes hints on, over as many connections as it takes.
async fn forward(
    client: &Client,
    topic: &str,
    first: Option<PubSub>,
    sender: &mpsc::Sender<Vec<u8>>,
) {
    let mut current = first;
    let mut pause = Duration::from_millis(50);
    loop {
        if let Some(mut subscription) = current.take() {
            pause = Duration::from_millis(50);
            let mut messages = subscription.on_message();
            while let Some(message) = messages.next().await {
                let _ = sender.try_send(message.get_payload_bytes().to_vec());
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
        match listen(client, topic).await {
            Ok(subscription) => {
                current = Some(subscription);
                let _ = sender.try_send(Vec::new());
            }
            Err(error) => tracing::debug!(topic, %error, "subscribing again failed"),
        }
    }
}
