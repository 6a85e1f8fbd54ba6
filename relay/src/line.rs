//! The site's line to the world: everything that is fetched over it takes its turn here.
//!
//! Only what comes from upstreams is held up. Sessions, reports and enrolments of agents never pass here; what they wait for the line is
//! told by the connection to the edge, and payloads come no faster than leaves them little to wait for ([`Pace`]).

use crate::cache::lock;
use chrono_tz::Tz;
use netpatch_protocol::site::SiteSettings;
use netpatch_relay_core::bandwidth::{Ticket, hours_of};
use netpatch_relay_core::pace::LOOK;
use netpatch_relay_core::{Bucket, Pace, Priority, Turn, bandwidth_of};
use netpatch_types::week::within_hours;
use netpatch_types::{Bandwidth, SharedClock, WeekHours};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A new hour's limit is seen by those who wait within this time.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

struct Plan {
    bandwidth: Bandwidth,
    staging: Vec<WeekHours>,
    zone: Tz,
}

/// The line.
pub struct Line {
    bucket: Mutex<Bucket>,
    moved: Notify,
    pace: Mutex<Pace>,
    /// Payloads have begun to come.
    carries: Notify,
    plan: Mutex<Plan>,
    clock: SharedClock,
}

/// Whether a host waits for a transfer: not until one asks for it.
#[derive(Default)]
pub struct Urgency(AtomicBool);

impl Urgency {
    /// Whether a host waits by now.
    pub(crate) fn is_hurried(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn priority(&self) -> Priority {
        match self.0.load(Ordering::Relaxed) {
            true => Priority::Interactive,
            false => Priority::Background,
        }
    }
}

/// A piece in the queue; leaves it when its transfer ends.
struct Place<'a> {
    line: &'a Line,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.line.bucket).leave(self.ticket);
        self.line.moved.notify_waiters();
    }
}

impl Line {
    /// A line without limit.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            bucket: Mutex::default(),
            moved: Notify::new(),
            pace: Mutex::default(),
            carries: Notify::new(),
            plan: Mutex::new(Plan {
                bandwidth: Bandwidth::default(),
                staging: Vec::new(),
                zone: Tz::UTC,
            }),
            clock,
        }
    }

    /// What the site says of its line from now on.
    pub fn set(&self, settings: &SiteSettings) {
        let zone = settings.time_zone.parse().unwrap_or(Tz::UTC);
        *lock(&self.plan) = Plan {
            bandwidth: bandwidth_of(settings),
            staging: settings.staging_hours.iter().filter_map(hours_of).collect(),
            zone,
        };
        self.moved.notify_waiters();
    }

    /// What it may carry now, in units of 1000 bits per second; `None`: without limit.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        let plan = lock(&self.plan);
        plan.bandwidth.at(self.clock.now(), plan.zone)
    }

    /// What payloads are held to, in the same units, so that nothing else waits for them; `None`: nothing has waited.
    #[must_use]
    pub fn pace(&self) -> Option<u32> {
        lock(&self.pace).limit()
    }

    /// Whether is fetched ahead in this hour.
    #[must_use]
    pub fn may_stage(&self) -> bool {
        let plan = lock(&self.plan);
        within_hours(&plan.staging, self.clock.now(), plan.zone)
    }

    /// A host waits for this transfer now.
    pub fn hurry(&self, urgency: &Urgency) {
        if !urgency.0.swap(true, Ordering::Relaxed) {
            self.moved.notify_waiters();
        }
    }

    /// Tells the line of its round trip while payloads come. `round_trip` asks for it; nothing, when the edge is out of reach or
    /// does not say. Never ends.
    pub async fn keep_pace(&self, round_trip: impl Fn() -> Option<Duration>) {
        loop {
            let begun = self.carries.notified();
            if !lock(&self.pace).is_carrying(self.clock.monotonic()) {
                begun.await;
            }
            if let Some(round_trip) = round_trip() {
                lock(&self.pace).told(self.clock.monotonic(), round_trip);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until bytes that came are paid.
    pub async fn pay(&self, bytes: u64, urgency: &Urgency) {
        let now = self.clock.monotonic();
        let was_carrying = {
            let mut pace = lock(&self.pace);
            let was_carrying = pace.is_carrying(now);
            pace.carried(now, bytes);
            was_carrying
        };
        if !was_carrying {
            self.carries.notify_one();
        }
        let joined = lock(&self.bucket).join(self.clock.monotonic(), urgency.priority(), bytes);
        let place = Place {
            line: self,
            ticket: joined,
        };
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // From here on nobody's move is missed.
            moved.as_mut().enable();
            match self.turn(place.ticket, urgency) {
                Turn::Go => return,
                Turn::Wait(time) => {
                    let _ = tokio::time::timeout(time.min(LOOK_AGAIN), moved).await;
                }
            }
        }
    }

    fn turn(&self, ticket: Ticket, urgency: &Urgency) -> Turn {
        let now = self.clock.monotonic();
        let pace = {
            let pace = lock(&self.pace);
            if pace.is_paused(now) {
                return Turn::Wait(LOOK);
            }
            pace.limit()
        };
        let limit = [self.limit(), pace].into_iter().flatten().min();
        let mut bucket = lock(&self.bucket);
        if urgency.priority() == Priority::Interactive {
            bucket.promote(ticket);
        }
        bucket.turn(now, limit, ticket)
    }
}
