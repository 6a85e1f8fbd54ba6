//! What the platform is told of runs: the steps of all journals in the order in which they happened, a bounded part of them at once.
//!
//! The journals are the buffer. Nothing of a run is held in memory while nobody listens, and while somebody does no more than
//! [`MESSAGES`] messages of [`EVENTS`] steps or [`BYTES`] are on their way. What the platform has stored is remembered beside the
//! journal, so an agent that died says again only what was on its way, which the platform drops by the steps' numbers. A run is
//! forgotten only when it is over and the platform has stored it, or has said that it never will ([`crate::run::Runs::tidy`]).

use super::link::Link;
use super::{Agent, lock};
use crate::run::report;
use crate::state::journal::Recorded;
use netpatch_protocol::document::Envelope;
use netpatch_protocol::session::{
    RunEvent, RunEvents, RunEventsRefused, RunEventsStored, agent_message,
};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use tokio::time::Instant;

/// Most messages without an answer.
const MESSAGES: usize = 4;
/// Most steps of a message.
const EVENTS: usize = 100;
/// Most bytes of a message, but for a single step.
const BYTES: usize = 256 << 10;

/// What is on its way.
#[derive(Default)]
pub(super) struct Reports {
    /// The answers to come, in order: one for each run of each message.
    awaited: VecDeque<Awaited>,
    /// The last step of each run that was sent and not answered.
    sent: BTreeMap<PathBuf, u64>,
    /// Runs that the platform does not store; they are not tried again in this session.
    refused: BTreeSet<PathBuf>,
    /// Since when orders are left with the platform for want of room.
    left: Option<Instant>,
}

struct Awaited {
    folder: PathBuf,
    ends_message: bool,
}

impl Reports {
    /// A new session without memory: what was only sent is sent again.
    pub(super) fn forget(&mut self) {
        self.awaited.clear();
        self.sent.clear();
        self.refused.clear();
    }

    fn messages(&self) -> usize {
        self.awaited
            .iter()
            .filter(|awaited| awaited.ends_message)
            .count()
    }

    /// An answer about a run came. Answers come in order: what was to be answered before it was refused by an edge that says no more
    /// than that something was.
    fn answered(&mut self, folder: &Path) {
        let is_it = |awaited: &Awaited| awaited.folder == folder;
        let Some(index) = self.awaited.iter().position(is_it) else {
            return;
        };
        for unanswered in self.awaited.drain(..=index) {
            if unanswered.folder != folder {
                self.sent.remove(&unanswered.folder);
                self.refused.insert(unanswered.folder);
            }
        }
        if !self.awaited.iter().any(is_it) {
            self.sent.remove(folder);
        }
    }
}

/// A run with what of it is to be told.
struct Waiting<'a> {
    recorded: &'a Recorded,
    /// Of a run that is over.
    result: Option<Envelope>,
    after: u64,
}

impl Waiting<'_> {
    /// When its next step was taken; `None` when there is nothing to tell now.
    fn next_at_ms(&self) -> Option<i64> {
        let run = &self.recorded.run;
        let step = run.steps.get(usize::try_from(self.after).ok()?)?;
        // The last step of a run that is over carries the result.
        let needs_result = run.is_final() && step.step == run.steps.len() as u64;
        (!needs_result || self.result.is_some()).then_some(step.at_ms)
    }

    fn next(&self) -> Option<RunEvent> {
        self.next_at_ms()?;
        let run = &self.recorded.run;
        let step = run.steps.get(usize::try_from(self.after).ok()?)?;
        let is_last = run.is_final() && step.step == run.steps.len() as u64;
        let result = self.result.clone().filter(|_| is_last);
        Some(report::event(run, step, result))
    }
}

/// The next steps of all runs in the order of their time, as many as a message takes, each with the number of its run.
fn batch(waiting: &mut [Waiting<'_>]) -> Vec<(usize, RunEvent)> {
    let mut events = Vec::new();
    let mut bytes = 0;
    while events.len() < EVENTS {
        let first = (0..waiting.len())
            .filter_map(|index| Some((waiting[index].next_at_ms()?, index)))
            .min();
        let Some((index, event)) =
            first.and_then(|(_, index)| Some((index, waiting[index].next()?)))
        else {
            break;
        };
        bytes += event.encoded_len();
        if bytes > BYTES && !events.is_empty() {
            break;
        }
        waiting[index].after = event.step;
        events.push((index, event));
    }
    events
}

impl Agent {
    /// Signs the results of runs that are over, and tells what was not told.
    pub(super) async fn report_runs(&mut self, link: &Link) {
        let runs = self.runs.recorded();
        let mut waiting = Vec::new();
        for recorded in &runs {
            let stored = report::acknowledged(&recorded.folder);
            if stored >= recorded.run.steps.len() as u64 {
                continue;
            }
            let result = self.result_of(recorded).await;
            if self.reports.refused.contains(&recorded.folder) {
                continue;
            }
            let sent = self.reports.sent.get(&recorded.folder);
            waiting.push(Waiting {
                recorded,
                result,
                after: sent.copied().unwrap_or(0).max(stored),
            });
        }
        while link.carrier.is_some() && self.reports.messages() < MESSAGES {
            let events = batch(&mut waiting);
            if events.is_empty() || !self.tell(link, &waiting, events) {
                break;
            }
        }
        link.refresh_hello(self);
    }

    /// `None` for a run that goes on, or whose result cannot be made now.
    async fn result_of(&self, recorded: &Recorded) -> Option<Envelope> {
        if !recorded.run.is_final() {
            return None;
        }
        let known = lock(&self.reported).known.clone();
        let installer = self.providers.installer().as_ref();
        match report::result(recorded, installer, &known, &self.signer).await {
            Ok(result) => Some(result),
            Err(error) => {
                tracing::warn!(%error, run = %recorded.folder.display(), "the result of a run cannot be made now");
                None
            }
        }
    }

    fn tell(
        &mut self,
        link: &Link,
        waiting: &[Waiting<'_>],
        events: Vec<(usize, RunEvent)>,
    ) -> bool {
        let mut groups: Vec<(PathBuf, u64)> = Vec::new();
        for (index, event) in &events {
            let folder = &waiting[*index].recorded.folder;
            match groups.last_mut() {
                Some((last, step)) if last == folder => *step = event.step,
                _ => groups.push((folder.clone(), event.step)),
            }
        }
        let events = events.into_iter().map(|(_, event)| event).collect();
        if !link.send(agent_message::Body::RunEvents(RunEvents { events })) {
            return false;
        }
        let last = groups.len().saturating_sub(1);
        for (index, (folder, step)) in groups.into_iter().enumerate() {
            self.reports.sent.insert(folder.clone(), step);
            self.reports.awaited.push_back(Awaited {
                folder,
                ends_message: index == last,
            });
        }
        true
    }

    /// The platform has stored the steps of a run up to this one.
    pub(super) async fn on_stored(&mut self, link: &Link, stored: &RunEventsStored) {
        let Ok(deployment) = stored.deployment_id.parse() else {
            return;
        };
        let folder = self.runs.folder(deployment, stored.sequence);
        self.reports.answered(&folder);
        if folder.exists() {
            let before = report::acknowledged(&folder);
            if stored.step < before {
                tracing::warn!(run = %folder.display(), stored = stored.step, before, "the platform has forgotten steps of a run; they are told again");
                self.reports.sent.remove(&folder);
            }
            if let Err(error) = report::acknowledge(&folder, stored.step) {
                tracing::warn!(%error, "cannot remember what the platform has stored");
            }
        }
        self.went_on(link).await;
    }

    /// The platform does not store this run, now or later.
    pub(super) async fn on_refused(&mut self, link: &Link, refused: &RunEventsRefused) {
        let Ok(deployment) = refused.deployment_id.parse() else {
            return;
        };
        let folder = self.runs.folder(deployment, refused.sequence);
        self.reports.answered(&folder);
        tracing::warn!(run = %folder.display(), code = %refused.code, message = %refused.message, "the platform does not store a run");
        if folder.exists() {
            let why = format!("{}: {}", refused.code, refused.message);
            if let Err(error) = report::refuse(&folder, &why) {
                tracing::warn!(%error, "cannot remember what the platform does not store");
            }
            self.reports.refused.insert(folder);
        }
        self.went_on(link).await;
    }

    async fn went_on(&mut self, link: &Link) {
        if self.reports.awaited.is_empty() {
            self.runs.tidy();
        }
        self.report_runs(link).await;
    }

    /// An order is left with the platform, which still has it: there is no room for one more run, or the disk took none.
    pub(super) fn leave_order(&mut self, why: String) {
        tracing::warn!(%why, "an order is not taken now");
        self.status.order_problem = Some(why);
        self.reports.left = Some(Instant::now());
    }

    /// Whether orders that were left can be taken now: a new session brings them.
    pub(super) fn wants_left_orders(&mut self) -> bool {
        let waited = self
            .reports
            .left
            .is_some_and(|left| left.elapsed() >= AGAIN);
        if !waited || self.runs.room().is_err() {
            return false;
        }
        self.reports.left = None;
        self.status.order_problem = None;
        true
    }
}

/// Orders that were left are taken no sooner than this.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(30);

#[cfg(test)]
mod tests;
