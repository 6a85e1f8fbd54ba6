//! A connection over QUIC through which nothing comes any more, noticed while something is being sent.
//!
//! QUIC itself waits for its idle timeout. Here a write that stays without any acknowledgement for [`PATIENCE`] makes the path
//! suspect (longer while the peer has just been slow to let this side in: it is busy, not gone), and another way is looked for beside it; the path is left only when that other way is there and it is still silent.
//! So a line that is merely slow loses nothing. Who writes nothing is not woken: the only timers are those of a write.
//!
//! QUIC's own packets that want no acknowledgement look to a congestion controller like any other, so what counts are the writes of
//! the streams: each takes a ticket before its bytes can leave, and an acknowledgement after which nothing is on its way any more
//! has answered all tickets that were taken until then.

use crate::TunnelError;
use quinn::congestion::{Controller, ControllerFactory};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long an answer may take, or four round trips if those are longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A connection that is younger than this gives its peer as long as the peer took to let it in, four times.
const YOUNG: Duration = Duration::from_secs(60);
/// But no longer than this.
const MOST_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at while an answer is awaited.
const LOOK: Duration = Duration::from_millis(100);
/// After no other way was found, the next search waits for this.
const AGAIN: Duration = Duration::from_secs(5);

/// What was written on a connection and what was answered.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Writes begun.
    tickets: AtomicU64,
    /// The last write that put bytes into the connection.
    written: AtomicU64,
    /// The last ticket that is surely answered.
    answered: AtomicU64,
    /// Acknowledgements of anything.
    beats: AtomicU64,
    wake: Notify,
}

impl Pulse {
    /// A write begins.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// It has put bytes into the connection.
    pub(crate) fn wrote(&self, ticket: u64) {
        self.written.fetch_max(ticket, Ordering::AcqRel);
        self.wake.notify_one();
    }

    fn acknowledged(&self, in_flight: u64) {
        self.beats.fetch_add(1, Ordering::AcqRel);
        if in_flight == 0 {
            let tickets = self.tickets.load(Ordering::Acquire);
            self.answered.fetch_max(tickets, Ordering::AcqRel);
        }
    }

    fn is_answered(&self) -> bool {
        self.written.load(Ordering::Acquire) <= self.answered.load(Ordering::Acquire)
    }

    fn beats(&self) -> u64 {
        self.beats.load(Ordering::Acquire)
    }
}

/// A connection that is watched.
#[derive(Clone)]
pub(crate) struct Watch {
    connection: quinn::Connection,
    pulse: Arc<Pulse>,
    /// How long the peer took to let this side in, and when it had.
    let_in: Option<(Duration, Instant)>,
}

/// How long nothing may be acknowledged. Who was let in slowly found a peer with much to do, as after the start of an edge that a
/// whole fleet comes back to: to call on it once more would only give it more to do.
fn patience(round_trip: Duration, let_in: Option<(Duration, Duration)>) -> Duration {
    let usual = PATIENCE.max(round_trip * 4);
    match let_in {
        Some((took, age)) if age < YOUNG => usual.max((took * 4).min(MOST_PATIENCE)),
        _ => usual,
    }
}

impl Watch {
    pub(crate) fn new(connection: quinn::Connection, pulse: Arc<Pulse>) -> Self {
        Self {
            connection,
            pulse,
            let_in: None,
        }
    }

    /// The same for a session that its peer has just let in, after so long.
    pub(crate) fn let_in_after(mut self, took: Duration) -> Self {
        self.let_in = Some((took, Instant::now()));
        self
    }

    fn patience(&self) -> Duration {
        let let_in = self.let_in.map(|(took, at)| (took, at.elapsed()));
        patience(self.connection.rtt(), let_in)
    }

    /// Ends when something was written and nothing is acknowledged for too long.
    async fn silent(&self) {
        loop {
            if self.pulse.is_answered() {
                self.pulse.wake.notified().await;
            }
            let (mut beats, mut since) = (self.pulse.beats(), Instant::now());
            while !self.pulse.is_answered() {
                tokio::time::sleep(LOOK).await;
                let now = self.pulse.beats();
                if now != beats {
                    (beats, since) = (now, Instant::now());
                } else if since.elapsed() >= self.patience() {
                    return;
                }
            }
        }
    }

    /// Ends when anything is acknowledged after that.
    async fn heard(&self) {
        let beats = self.pulse.beats();
        while self.pulse.beats() == beats {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What `other` found while this connection was silent from the beginning of the search to its end. `other` is asked
    /// again when it fails, and when the connection has woken and falls silent again.
    pub(crate) async fn instead<T, F>(&self, mut other: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T, TunnelError>>,
    {
        loop {
            self.silent().await;
            tracing::debug!(remote = %self.connection.remote_address(), "nothing is acknowledged; looking for another way");
            let found = tokio::select! {
                biased;
                () = self.heard() => continue,
                found = other() => found,
            };
            match found {
                Ok(found) => return found,
                Err(error) => {
                    tracing::debug!(%error, "there is no other way now");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Any controller, listened in on.
pub(crate) struct WatchedConfig {
    pub(crate) inner: Arc<dyn ControllerFactory + Send + Sync>,
    pub(crate) pulse: Arc<Pulse>,
}

impl ControllerFactory for WatchedConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Watched {
            inner: self.inner.clone().build(now, current_mtu),
            pulse: self.pulse.clone(),
        })
    }
}

struct Watched {
    inner: Box<dyn Controller>,
    pulse: Arc<Pulse>,
}

impl Controller for Watched {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &quinn_proto::RttEstimator,
    ) {
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.pulse.acknowledged(in_flight);
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.inner.window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            pulse: self.pulse.clone(),
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    /// What it watches: that is what anybody asks for.
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.inner.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_answers_what_was_written_before_it_when_nothing_is_left_on_its_way() {
        let pulse = Pulse::default();
        assert!(pulse.is_answered(), "nothing was written");
        let first = pulse.ticket();
        pulse.wrote(first);
        assert!(!pulse.is_answered());
        pulse.acknowledged(1200);
        assert!(!pulse.is_answered(), "something is still on its way");
        pulse.acknowledged(0);
        assert!(pulse.is_answered());
        assert_eq!(pulse.beats(), 2);
    }

    #[test]
    fn who_was_let_in_slowly_is_patient_for_a_while() {
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let line = Duration::from_millis(50);
        assert_eq!(patience(line, None), PATIENCE);
        assert_eq!(patience(second, None), second * 4, "a slow line");
        assert_eq!(
            patience(line, Some((line * 3, second))),
            PATIENCE,
            "an idle edge"
        );
        assert_eq!(
            patience(line, Some((second * 2, second))),
            second * 8,
            "a busy one"
        );
        assert_eq!(patience(line, Some((minute, second))), MOST_PATIENCE);
        assert_eq!(
            patience(line, Some((second * 2, minute))),
            PATIENCE,
            "later"
        );
    }

    #[test]
    fn a_write_that_is_answered_before_it_returns_is_answered() {
        let pulse = Pulse::default();
        let ticket = pulse.ticket();
        pulse.acknowledged(0);
        pulse.wrote(ticket);
        assert!(pulse.is_answered());
    }

    #[test]
    fn a_write_that_found_no_room_waits_for_no_answer() {
        let pulse = Pulse::default();
        let _ = pulse.ticket();
        assert!(pulse.is_answered());
    }
}
