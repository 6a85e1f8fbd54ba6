//! Kept payloads from the edge, over the one connection. Of one that stood still the rest is asked for on another carrier.

use crate::cache::stored::{Holding, Kept, NotKept};
use crate::patient::Patient;
use crate::uplink::LinkState;
use futures::future::BoxFuture;
use netpatch_protocol::site::{StoredFound, StoredRequest, stream_open};
use netpatch_tunnel::TunnelError;
use prost::Message as _;
use tokio::sync::watch;

/// The edge, as long as there is a connection.
pub(crate) struct FromEdge(pub(crate) watch::Receiver<LinkState>);

impl Kept for FromEdge {
    fn ask(&self, request: StoredRequest) -> BoxFuture<'_, Result<Holding, NotKept>> {
        let link = self.0.borrow().link.clone();
        Box::pin(async move {
            let link = link.ok_or(NotKept::Absent)?;
            let knocking = link.clone();
            let opened = link.open(stream_open::Kind::Stored(request));
            let (answer, stream) = opened.await.map_err(|error| match error {
                // An edge that knows no kept payloads says 400.
                TunnelError::Refused { status, .. } if status < 500 => NotKept::Absent,
                error => NotKept::Failed(error.to_string()),
            })?;
            let found = StoredFound::decode(answer.body.as_slice())
                .map_err(|error| NotKept::Failed(error.to_string()))?;
            Ok(match found.url.is_empty() {
                false => Holding::At(found.url),
                true => Holding::Bytes {
                    total_bytes: answer.total_bytes,
                    bytes: Box::new(Patient::new(stream, knocking)),
                },
            })
        })
    }
}
