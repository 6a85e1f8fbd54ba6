//! What the relay intends with one host's streams, and one direction of a stream.

use crate::capture::{Capture, Tap};
use crate::plan::{Act, Mutation, Phase, Way};
use crate::tamper::mangled;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

/// Records that the relay keeps to send them again.
const KEPT: usize = 64;
/// Bytes of a stream that it keeps for that.
const WHOLE: usize = 64 << 10;
/// A direction in which nothing moves for this long after a mutation is cut: both sides may wait for what was left out.
const STALLED: Duration = Duration::from_millis(100);

/// Records of all streams of a relay, the newest last.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<Kept>>);

struct Kept {
    slot: usize,
    way: Way,
    of_payloads: bool,
    bytes: Vec<u8>,
}

/// The streams of one host.
pub(crate) struct Slot {
    number: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    armed: Option<Armed>,
    /// Something else arrives than was sent.
    hurt: bool,
    /// Session streams so far.
    generation: u64,
    /// Ends those that live.
    living: CancellationToken,
    /// What the newest of them carried upwards.
    whole: Vec<u8>,
}

struct Armed {
    mutation: Mutation,
    left: usize,
    /// Of the first stream that it may hit.
    generation: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    pub(crate) fn new(number: usize) -> Arc<Self> {
        Arc::new(Self {
            number,
            state: Mutex::default(),
        })
    }

    /// The next fitting record is the mutation's; with `anew` only on a stream to come, and those that live end.
    pub(crate) fn arm(&self, mutation: Mutation, anew: bool) {
        let mut state = lock(&self.state);
        state.hurt = false;
        state.armed = Some(Armed {
            mutation,
            left: mutation.after,
            generation: state.generation + u64::from(anew),
        });
        if anew {
            std::mem::take(&mut state.living).cancel();
        }
    }

    /// Whether the mutation was still to come.
    pub(crate) fn disarm(&self) -> bool {
        lock(&self.state).armed.take().is_some()
    }

    /// Whether the mutation is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        lock(&self.state).armed.is_some()
    }

    /// Whether the mutation changed what arrives.
    pub(crate) fn is_hurt(&self) -> bool {
        lock(&self.state).hurt
    }

    /// A session's stream begins.
    pub(crate) fn begin(&self) -> (u64, CancellationToken) {
        let mut state = lock(&self.state);
        state.generation += 1;
        state.whole.clear();
        (state.generation, state.living.clone())
    }

    /// Takes the mutation if it is the turn of this record.
    fn due(&self, way: Way, generation: u64, fits: impl Fn(Phase) -> bool) -> Option<Mutation> {
        let mut state = lock(&self.state);
        let armed = state.armed.as_mut().filter(|armed| {
            armed.generation <= generation
                && armed.mutation.way == way
                && fits(armed.mutation.phase)
        })?;
        if armed.left > 0 {
            armed.left -= 1;
            return None;
        }
        state.armed.take().map(|armed| armed.mutation)
    }

    /// The mutation by which the relay plays another part on a stream that begins.
    pub(crate) fn pose(&self, generation: u64) -> Option<Mutation> {
        let mut state = lock(&self.state);
        let is_due = state
            .armed
            .as_ref()
            .is_some_and(|armed| armed.generation <= generation && armed.mutation.act == Act::Pose);
        state.hurt |= is_due;
        state.armed.take_if(|_| is_due).map(|armed| armed.mutation)
    }

    /// The mutation of a recipe.
    pub(crate) fn recipe(&self) -> Option<Mutation> {
        self.due(Way::Down, u64::MAX, |phase| phase == Phase::Recipe)
    }

    /// What the newest session stream carried upwards.
    pub(crate) fn whole(&self) -> Vec<u8> {
        lock(&self.state).whole.clone()
    }
}

impl Pool {
    fn keep(&self, kept: Kept) {
        let mut pool = lock(&self.0);
        if pool.len() == KEPT {
            pool.pop_front();
        }
        pool.push_back(kept);
    }

    fn any(&self, dice: u64, fits: impl Fn(&Kept) -> bool) -> Option<Vec<u8>> {
        let pool = lock(&self.0);
        let fitting: Vec<_> = pool.iter().filter(|kept| fits(kept)).collect();
        let at = StdRng::seed_from_u64(dice).random_range(0..fitting.len().max(1));
        fitting.get(at).map(|kept| kept.bytes.clone())
    }
}

/// Why a stream is not carried on.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The relay ends it.
    Cut,
    /// It broke.
    Broke,
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Self {
        Self::Broke
    }
}

/// One direction of a stream.
pub(crate) struct Side {
    pub(crate) slot: Arc<Slot>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) capture: Arc<Capture>,
    way: Way,
    generation: u64,
    /// Of which phases it takes mutations.
    fits: fn(Phase) -> bool,
    of_payloads: bool,
    tap: Tap,
    held: Option<Vec<u8>>,
    stalled: bool,
    /// The whole is to be sent again.
    pub(crate) again: bool,
}

impl Side {
    pub(crate) fn new(
        (slot, pool, capture): (&Arc<Slot>, &Arc<Pool>, &Arc<Capture>),
        way: Way,
        generation: u64,
        fits: fn(Phase) -> bool,
        of_payloads: bool,
    ) -> Self {
        Self {
            slot: slot.clone(),
            pool: pool.clone(),
            capture: capture.clone(),
            way,
            generation,
            fits,
            of_payloads,
            tap: Tap::default(),
            held: None,
            stalled: false,
            again: false,
        }
    }

    /// Sends a record on, or does to it what the mutation says.
    pub(crate) async fn send(
        &mut self,
        record: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Stopped> {
        if self.of_payloads {
            // It serves them: what it sees there it sees by design, but no secret of a host.
            self.capture
                .take(&mut self.tap, "a payload's stream", record);
        } else {
            self.capture
                .take(&mut self.tap, "a session's stream", record);
        }
        if self.way == Way::Up && !self.of_payloads {
            let mut state = lock(&self.slot.state);
            if state.whole.len() + record.len() <= WHOLE {
                state.whole.extend_from_slice(record);
            }
        }
        let Some(mutation) = self.slot.due(self.way, self.generation, self.fits) else {
            self.keep(record);
            to.write_all(record).await?;
            if let Some(held) = self.held.take() {
                to.write_all(&held).await?;
            }
            return Ok(to.flush().await?);
        };
        let (own, way, kind) = (self.slot.number, self.way, self.of_payloads);
        let earlier = self.pool.any(mutation.dice, |kept| {
            kept.slot == own && kept.way == way && kept.of_payloads == kind
        });
        let other = self.pool.any(mutation.dice, |kept| {
            (kept.slot != own || kept.way != way) && kept.of_payloads == kind
        });
        self.keep(record);
        let done = mangled(&mutation, record, earlier, other);
        tokio::time::sleep(done.pause).await;
        self.stalled = done.cuts || done.bytes != record;
        lock(&self.slot.state).hurt = self.stalled;
        self.again |= done.again;
        to.write_all(&done.bytes).await?;
        to.flush().await?;
        self.held = done.held;
        match done.cuts {
            true => Err(Stopped::Cut),
            false => Ok(()),
        }
    }

    fn keep(&self, record: &[u8]) {
        self.pool.keep(Kept {
            slot: self.slot.number,
            way: self.way,
            of_payloads: self.of_payloads,
            bytes: record.to_vec(),
        });
    }

    /// Carries records from one side to the other until the first ends. `first` goes before them; else the first is a frame.
    pub(crate) async fn carry(
        &mut self,
        first: Option<&[u8]>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Stopped> {
        let mut records = Records::default();
        match first {
            Some(first) => self.send(first, to).await?,
            None => records.frame_first = true,
        }
        loop {
            let next = records.next(from);
            let next = if self.stalled {
                tokio::time::timeout(STALLED, next)
                    .await
                    .map_err(|_| Stopped::Cut)?
            } else {
                next.await
            };
            match next? {
                Some(record) => self.send(&record, to).await?,
                None => {
                    if let Some(held) = self.held.take() {
                        to.write_all(&held).await?;
                    }
                    return Ok(to.shutdown().await?);
                }
            }
        }
    }
}

/// TLS records of a byte stream, perhaps behind one frame.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    frame_first: bool,
}

impl Records {
    /// The next one; what is left at the end, whatever it is.
    async fn next(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
        loop {
            let length = match (self.frame_first, self.bytes.as_slice()) {
                (true, [a, b, c, d, ..]) => {
                    let body = u32::from_be_bytes([*a, *b, *c, *d]);
                    Some(4 + usize::try_from(body).unwrap_or(usize::MAX).min(WHOLE))
                }
                (false, [_, _, _, a, b, ..]) => Some(5 + usize::from(u16::from_be_bytes([*a, *b]))),
                _ => None,
            };
            if let Some(length) = length.filter(|length| self.bytes.len() >= *length) {
                self.frame_first = false;
                let rest = self.bytes.split_off(length);
                return Ok(Some(std::mem::replace(&mut self.bytes, rest)));
            }
            if from.read_buf(&mut self.bytes).await? == 0 {
                let rest = std::mem::take(&mut self.bytes);
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_cut_into_its_frame_and_its_records() {
        let bytes = [
            &[0, 0, 0, 2, 8, 9][..],
            &[22, 3, 3, 0, 1, 7],
            &[23, 3, 3, 0, 0],
            &[23, 3, 3, 1],
        ]
        .concat();
        let mut records = Records {
            frame_first: true,
            ..Records::default()
        };
        let mut from = bytes.as_slice();
        let mut all = Vec::new();
        while let Some(record) = records.next(&mut from).await.expect("memory") {
            all.push(record.len());
        }
        assert_eq!(all, [6, 6, 5, 4]);
    }
}
