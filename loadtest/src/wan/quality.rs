//! What a line is like.

use std::fmt;
use std::time::Duration;

/// The queue before a line is as long as a round trip, and never shorter than this.
const QUEUE_LEAST: Duration = Duration::from_millis(10);

/// The same in both directions.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Quality {
    /// Megabits a second; 0 for as fast as the emulator is
    #[arg(long, default_value_t = 100.0)]
    pub(super) megabits: f64,
    /// Round trip, milliseconds
    #[arg(long, default_value_t = 50.0)]
    pub(super) round_trip: f64,
    /// Packets of a hundred that are lost by chance
    #[arg(long, default_value_t = 0.0)]
    pub(super) lost: f64,
}

impl Quality {
    /// As a probability.
    pub(super) fn loss(&self) -> f64 {
        (self.lost / 100.0).clamp(0.0, 1.0)
    }

    pub(super) fn one_way(&self) -> Duration {
        Duration::from_secs_f64(self.round_trip.max(0.0) / 2e3)
    }

    /// How long a packet waits for the line at most; then it is dropped.
    pub(super) fn queue(&self) -> Duration {
        (self.one_way() * 2).max(QUEUE_LEAST)
    }

    /// How long a packet of so many bytes occupies the line.
    pub(super) fn on_line(&self, bytes: usize) -> Duration {
        if self.megabits <= 0.0 {
            return Duration::ZERO;
        }
        let bits = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) * 8.0;
        Duration::from_secs_f64(bits / (self.megabits * 1e6))
    }

    /// As the emulator's process is told.
    pub(super) fn arguments(&self) -> [String; 3] {
        [
            format!("--megabits={}", self.megabits),
            format!("--round-trip={}", self.round_trip),
            format!("--lost={}", self.lost),
        ]
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms, {} % lost", self.round_trip, self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_occupies_the_line_by_its_bits() {
        let mut line = Quality {
            megabits: 100.0,
            round_trip: 50.0,
            lost: 1.0,
        };
        assert_eq!(line.on_line(1250), Duration::from_micros(100));
        assert_eq!(line.one_way(), Duration::from_millis(25));
        assert_eq!(line.queue(), Duration::from_millis(50));
        assert!((line.loss() - 0.01).abs() < 1e-12);
        line.megabits = 0.0;
        line.round_trip = 0.0;
        assert_eq!(line.on_line(1250), Duration::ZERO);
        assert_eq!(line.queue(), QUEUE_LEAST);
    }
}
