//! How fast bulk goes: Cubic that does not take a packet lost by chance for a full queue.
//!
//! A queue that overflows has made packets wait before; a bad radio link has not. So a loss counts only when packets wait already
//! (the idea of TCP Veno, Fu and Liew 2003), when much is lost, or when nothing arrives any more. Everything else is quinn's
//! Cubic (RFC 9438), beside whose other flows this one takes its fair part. A queue so short that it overflows before packets wait
//! is not seen: there up to [`MUCH_LOST`] is lost before it slows down.
//!
//! Packets wait when the usual round trip says so and that of the packet that waited least in the last two as well: a burst of our own,
//! such as many small requests at once, makes the packets behind it wait and none before it; and where little is sent, a late
//! acknowledgement looks like a wait, which the usual round trip, taken without it, does not show.
//!
//! While a stream of the connection yields to others, less is in flight: see [`background`].

mod background;

use background::Background;
pub(crate) use background::{Yielding, Yields};
use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of a hundred bytes. More than this is no accident.
const MUCH_LOST: u64 = 10;
/// Packets wait when they take longer than the fastest by this part of it,
const WAITING_PART: u32 = 4;
/// but not less than this, which scheduling on either side takes at times.
const WAITING_LEAST: Duration = Duration::from_millis(3);
/// The rate of losses is taken over about so many windows.
const WINDOWS: u64 = 4;
/// And judged when at least so many bytes are known: a few packets are no rate.
const KNOWN_LEAST: u64 = 128 * 1024;

/// Makes a controller for each path.
#[derive(Debug, Default)]
pub(crate) struct TolerantConfig;

impl ControllerFactory for TolerantConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Tolerant {
            cubic: Arc::new(CubicConfig::default()).build(now, current_mtu),
            fastest: Duration::MAX,
            usual: Duration::ZERO,
            least: [Duration::MAX; 2],
            until: now,
            packet: u64::from(current_mtu),
            arrived: 0,
            lost: 0,
            background: Background::new(now),
        })
    }
}

struct Tolerant {
    cubic: Box<dyn Controller>,
    /// Round trip of a packet that met no queue.
    fastest: Duration,
    /// Round trip of the last packets, without what acknowledgements were held back.
    usual: Duration,
    /// Shortest round trip of a packet in the last span and in this one; a span is a round trip long.
    least: [Duration; 2],
    /// The end of this span.
    until: Instant,
    /// Bytes that a packet has at most.
    packet: u64,
    /// Bytes, lately.
    arrived: u64,
    lost: u64,
    background: Background,
}

/// Tells a connection's controller that a stream yields, if it is of this kind.
pub(crate) fn yielding(connection: &quinn::Connection) -> Option<Yielding> {
    let state = connection.congestion_state().into_any();
    let tolerant = state.downcast::<Tolerant>().ok()?;
    Some(tolerant.background.yielding.clone())
}

impl Tolerant {
    /// Counts, and forgets what is long ago.
    fn count(&mut self, arrived: u64, lost: u64) {
        self.arrived += arrived;
        self.lost += lost;
        if self.arrived + self.lost > (self.cubic.window() * WINDOWS).max(4 * KNOWN_LEAST) {
            self.arrived /= 2;
            self.lost /= 2;
        }
    }

    /// A packet that was acknowledged now took so long.
    fn took(&mut self, now: Instant, time: Duration) {
        if now >= self.until {
            let [_, last] = self.least;
            if last < Duration::MAX {
                let (window, packet) = (self.cubic.window(), self.packet);
                self.background.round(now, last, window, packet);
            }
            self.least = [last, Duration::MAX];
            self.until = now + self.usual;
        }
        let [_, least] = &mut self.least;
        *least = time.min(*least);
    }

    fn is_queued(&self) -> bool {
        let room = (self.fastest / WAITING_PART).max(WAITING_LEAST);
        let [last, this] = self.least;
        self.usual.min(last).min(this) > self.fastest.saturating_add(room)
    }

    fn is_much_lost(&self) -> bool {
        let known = self.arrived + self.lost;
        known >= KNOWN_LEAST && self.lost * 100 > known * MUCH_LOST
    }
}

impl Controller for Tolerant {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &quinn_proto::RttEstimator,
    ) {
        self.fastest = rtt.min();
        self.usual = rtt.get();
        let time = now.saturating_duration_since(sent);
        self.took(now, time);
        self.background.arrived(time, app_limited);
        self.count(bytes, 0);
        // A window that is not used shows nothing.
        let is_unused = app_limited || self.background.is_below(self.cubic.window());
        self.cubic.on_ack(now, sent, bytes, is_unused, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.count(0, lost_bytes);
        // No bytes: a router on the way has said that its queue is filling.
        let is_told = lost_bytes == 0;
        if is_told || is_persistent_congestion || self.is_queued() || self.is_much_lost() {
            self.cubic
                .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.packet = u64::from(new_mtu);
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        self.background.of(self.cubic.window())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            cubic: self.cubic.clone_box(),
            background: self.background.clone(),
            ..*self
        })
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// After a million bytes arrived, with a window that Cubic has opened.
    fn at(fastest: Duration, usual: Duration) -> Tolerant {
        let now = Instant::now();
        let mut tolerant = Tolerant {
            cubic: Arc::new(CubicConfig::default()).build(now, 1200),
            fastest,
            usual,
            least: [usual, usual],
            until: now,
            packet: 1200,
            arrived: 0,
            lost: 0,
            background: Background::new(now),
        };
        tolerant.count(200_000, 0);
        tolerant
    }

    fn slows_down(tolerant: &mut Tolerant, is_persistent: bool, lost: u64) -> bool {
        let (now, before) = (Instant::now(), tolerant.window());
        tolerant.on_congestion_event(now, now, is_persistent, lost);
        tolerant.window() < before
    }

    #[test]
    fn a_loss_counts_when_packets_wait_and_not_by_chance() {
        assert!(!slows_down(&mut at(50 * MS, 52 * MS), false, 1200));
        assert!(slows_down(&mut at(50 * MS, 70 * MS), false, 1200));
        // On a short way a few milliseconds are no queue.
        assert!(!slows_down(&mut at(MS, 3 * MS), false, 1200));
    }

    #[test]
    fn much_loss_or_silence_or_a_routers_word_always_counts() {
        assert!(slows_down(&mut at(50 * MS, 50 * MS), false, 40_000));
        assert!(slows_down(&mut at(50 * MS, 50 * MS), true, 1200));
        assert!(slows_down(&mut at(50 * MS, 50 * MS), false, 0));
        let mut young = at(50 * MS, 50 * MS);
        (young.arrived, young.lost) = (1200, 0);
        assert!(
            !slows_down(&mut young, false, 1200),
            "one of two packets is no rate"
        );
    }

    #[test]
    fn a_burst_of_our_own_is_no_queue_and_neither_is_a_late_acknowledgement() {
        let mut tolerant = at(50 * MS, 70 * MS);
        let begun = tolerant.until;
        // 200 packets at once: each waits for those before it.
        let burst = |tolerant: &mut Tolerant, round: u32, first: Duration| {
            for packet in 0..200 {
                tolerant.took(begun + round * 80 * MS, first + packet * MS / 8);
            }
        };
        for round in 1..4 {
            burst(&mut tolerant, round, 50 * MS);
            assert!(!tolerant.is_queued());
        }
        // Somebody else's queue: even the first waits.
        for round in 4..7 {
            burst(&mut tolerant, round, 70 * MS);
        }
        assert!(tolerant.is_queued());
        tolerant.usual = 50 * MS;
        assert!(!tolerant.is_queued(), "only acknowledgements were late");
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut tolerant = at(50 * MS, 50 * MS);
        tolerant.count(0, 100_000);
        assert!(tolerant.is_much_lost());
        tolerant.count(1_000_000, 0);
        tolerant.count(1_000_000, 0);
        assert!(!tolerant.is_much_lost());
    }
}
