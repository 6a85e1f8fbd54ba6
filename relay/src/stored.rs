//! Kept payloads from the edge, over the one connection.
//!
//! Who only receives does not notice that nothing comes through any more: QUIC waits for its idle timeout. So a payload that stands still
//! for a moment knocks on the edge's door, and the answer that does not come makes the uplink look for another way (`uplink.rs`). There
//! the rest is asked for.

use crate::cache::stored::{Holding, Kept, NotKept};
use crate::uplink::LinkState;
use futures::future::BoxFuture;
use netpatch_protocol::site::{SiteRequest, StoredFound, StoredRequest, stream_open};
use netpatch_tunnel::{LinkStream, RelayUplink, TunnelError};
use prost::Message as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// A payload that stands still for so long knocks, and again after as long.
const STILL: Duration = Duration::from_secs(1);

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

/// A stream that knocks while nothing comes.
struct Patient {
    stream: LinkStream,
    link: RelayUplink,
    still: Interval,
    /// One at a time; they end with the stream.
    knocks: JoinSet<()>,
}

impl Patient {
    fn new(stream: LinkStream, link: RelayUplink) -> Self {
        let mut still = interval_at(tokio::time::Instant::now() + STILL, STILL);
        still.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            stream,
            link,
            still,
            knocks: JoinSet::new(),
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            this.still.reset();
            return Poll::Ready(read);
        }
        while this.still.poll_tick(cx).is_ready() {
            while this.knocks.try_join_next().is_some() {}
            if this.knocks.is_empty() {
                let link = this.link.clone();
                this.knocks.spawn(async move {
                    // That it was said is enough.
                    let _ = link.open(stream_open::Kind::Site(SiteRequest {})).await;
                });
            }
        }
        Poll::Pending
    }
}
