//! What the edge sends, and does not stand still for long.
//!
//! Who only receives does not notice that nothing comes through any more: QUIC waits for its idle timeout. So a stream that stands still
//! for a moment knocks on the edge's door, and the answer that does not come makes the uplink look for another way (`uplink.rs`). There
//! what is missing is asked for again.

use netpatch_protocol::site::{SiteRequest, stream_open};
use netpatch_tunnel::{LinkStream, RelayUplink};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// A stream that stands still for so long knocks, and again after as long.
const STILL: Duration = Duration::from_secs(1);

/// A stream that knocks while nothing comes.
pub(crate) struct Patient {
    stream: LinkStream,
    link: RelayUplink,
    still: Interval,
    /// One at a time; they end with the stream.
    knocks: JoinSet<()>,
}

impl Patient {
    pub(crate) fn new(stream: LinkStream, link: RelayUplink) -> Self {
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
