//! Who is connected here, what they counted last, and what is left of sessions that broke. In memory: after a restart
//! sessions begin anew, and counters are trusted once.

use super::counter::{CheckIn, Judgement, judge};
use netpatch_protocol::Numbered;
use netpatch_protocol::session::EdgeMessage;
use netpatch_types::{HostId, OrganizationId, Sha256};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A host that was not heard for this long is forgotten; it begins a new session.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// Slots are swept when there are more than this.
const SWEEP_AT: usize = 10_000;

/// What survives a carrier: numbers, and what the host has been sent.
pub(crate) struct Memory {
    pub(crate) numbered: Numbered<EdgeMessage>,
    /// Digests of orders and halts.
    pub(crate) held: HashSet<Sha256>,
    pub(crate) membership_version: u64,
}

/// How a living session is reached.
pub(crate) struct Live {
    pub(crate) superseded: CancellationToken,
    pub(crate) wake: Notify,
    pub(crate) scan_wanted: AtomicBool,
    /// Its right may have ended: it is looked at when it wakes.
    pub(crate) doubted: AtomicBool,
}

#[derive(Default)]
struct Slot {
    last: Option<CheckIn>,
    heard_at: Duration,
    live: Option<Arc<Live>>,
    memory: Arc<tokio::sync::Mutex<Option<Memory>>>,
}

/// A host that was let in.
pub(crate) struct Arrival {
    pub(crate) live: Arc<Live>,
    /// Held by the session for as long as it lives: the next one waits for it.
    pub(crate) memory: Arc<tokio::sync::Mutex<Option<Memory>>>,
    /// Its counter fell back: its inventory is to be sent whole.
    pub(crate) restored: bool,
}

/// The sessions of this process.
#[derive(Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<(OrganizationId, HostId), Slot>>,
}

type Name = (OrganizationId, HostId);

impl Registry {
    /// A host says hello. Whoever was connected under its name is superseded. `now` is monotonic.
    pub(crate) fn arrive(
        &self,
        name: Name,
        check_in: CheckIn,
        now: Duration,
        live_for: Duration,
    ) -> Result<Arrival, Judgement> {
        let mut slots = self.slots();
        if slots.len() > SWEEP_AT {
            slots.retain(|_, slot| {
                slot.live.is_some() || now.saturating_sub(slot.heard_at) < FORGET
            });
        }
        let slot = slots.entry(name).or_default();
        let other_live = slot.live.is_some() && now.saturating_sub(slot.heard_at) < live_for;
        let judgement = judge(slot.last.as_ref(), &check_in, other_live);
        match judgement {
            Judgement::Grown | Judgement::Restored => {}
            Judgement::Forked => {
                if let Some(other) = slot.live.take() {
                    other.superseded.cancel();
                }
                return Err(judgement);
            }
            Judgement::Replayed => return Err(judgement),
        }
        let live = Arc::new(Live {
            superseded: CancellationToken::new(),
            wake: Notify::new(),
            scan_wanted: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
        });
        if let Some(other) = slot.live.replace(live.clone()) {
            other.superseded.cancel();
        }
        (slot.last, slot.heard_at) = (Some(check_in), now);
        Ok(Arrival {
            live,
            memory: slot.memory.clone(),
            restored: judgement == Judgement::Restored,
        })
    }

    /// A check-in on a session: it must grow, and come from the boot that said hello.
    pub(crate) fn check_in(&self, name: Name, check_in: CheckIn, now: Duration) -> bool {
        let mut slots = self.slots();
        let slot = slots.entry(name).or_default();
        let grown = slot
            .last
            .is_none_or(|last| last.boot_id == check_in.boot_id && check_in.n > last.n);
        if grown {
            (slot.last, slot.heard_at) = (Some(check_in), now);
        }
        grown
    }

    /// A host was heard on its session, without a counter.
    pub(crate) fn heard(&self, name: Name, now: Duration) {
        if let Some(slot) = self.slots().get_mut(&name) {
            slot.heard_at = now;
        }
    }

    /// A session ended.
    pub(crate) fn leave(&self, name: Name, live: &Arc<Live>) {
        if let Some(slot) = self.slots().get_mut(&name)
            && slot
                .live
                .as_ref()
                .is_some_and(|held| Arc::ptr_eq(held, live))
        {
            slot.live = None;
        }
    }

    /// Asks a host to scan, if it is connected here.
    pub(crate) fn want_scan(&self, organization: OrganizationId, host: HostId) {
        if let Some(live) = self
            .slots()
            .get(&(organization, host))
            .and_then(|slot| slot.live.as_ref())
        {
            live.scan_wanted.store(true, Ordering::Relaxed);
            live.wake.notify_one();
        }
    }

    /// Lets a host's session look whether it still may be here, if it is connected here.
    pub(crate) fn doubt(&self, name: Name) {
        if let Some(live) = self.slots().get(&name).and_then(|slot| slot.live.as_ref()) {
            live.doubted.store(true, Ordering::Relaxed);
            live.wake.notify_one();
        }
    }

    /// Lets every session look whether it still may be here.
    pub(crate) fn doubt_all(&self) {
        for slot in self.slots().values() {
            if let Some(live) = &slot.live {
                live.doubted.store(true, Ordering::Relaxed);
                live.wake.notify_one();
            }
        }
    }

    /// Lets every session look for documents.
    pub(crate) fn wake_all(&self) {
        for slot in self.slots().values() {
            if let Some(live) = &slot.live {
                live.wake.notify_one();
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Name, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
