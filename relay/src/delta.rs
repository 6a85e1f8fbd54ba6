//! Recipes from the edge, over the one connection.

use crate::cache::delta::{Offer, Recipes};
use crate::patient::Patient;
use crate::uplink::LinkState;
use futures::future::BoxFuture;
use netpatch_protocol::site::{DeltaFound, DeltaRequest, stream_open};
use netpatch_types::Sha256;
use prost::Message as _;
use tokio::sync::watch;

/// The edge, as long as there is a connection.
pub(crate) struct FromEdge(pub(crate) watch::Receiver<LinkState>);

impl Recipes for FromEdge {
    fn ask(&self, request: DeltaRequest) -> BoxFuture<'_, Option<Offer>> {
        let link = self.0.borrow().link.clone();
        Box::pin(async move {
            // An error is that there is none yet, or an edge that knows no differences.
            let link = link?;
            let opened = link.open(stream_open::Kind::Delta(request)).await;
            let (answer, stream) = opened.ok()?;
            let found = DeltaFound::decode(answer.body.as_slice()).ok()?;
            Some(Offer {
                base: Sha256::from_slice(&found.base)?,
                sha256: Sha256::from_slice(&found.sha256)?,
                size_bytes: answer.size_bytes,
                recipe: Box::new(Patient::new(stream, link)),
            })
        })
    }
}
