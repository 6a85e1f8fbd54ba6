//! A record and what becomes of it.

use crate::plan::{Act, Mutation};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::time::Duration;

/// Types of TLS records: change cipher spec, alert, handshake, application data, heartbeat.
const RECORD_TYPES: [u8; 5] = [20, 21, 22, 23, 24];
/// A warning in the open: the peer would close.
const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
/// The beginning of a frame that claims more than any may have.
const ENDLESS: [u8; 4] = [0xff; 4];

/// What the relay does instead of carrying the record.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Sent in its place.
    pub(crate) bytes: Vec<u8>,
    /// Sent behind the next record.
    pub(crate) held: Option<Vec<u8>>,
    /// The stream ends here.
    pub(crate) cuts: bool,
    /// Before anything is sent.
    pub(crate) pause: Duration,
    /// All that the stream carried so far comes again, on another stream.
    pub(crate) again: bool,
}

/// Decides by the mutation's dice. `earlier` was carried for the same host, `other` for another one.
pub(crate) fn mangled(
    mutation: &Mutation,
    record: &[u8],
    earlier: Option<Vec<u8>>,
    other: Option<Vec<u8>>,
) -> Done {
    let mut dice = StdRng::seed_from_u64(mutation.dice);
    let mut done = Done::default();
    let whole = || record.to_vec();
    match mutation.act {
        Act::Flip => {
            done.bytes = whole();
            for _ in 0..dice.random_range(1..=8) {
                let at = dice.random_range(0..record.len().max(1));
                if let Some(byte) = done.bytes.get_mut(at) {
                    *byte ^= 1 << dice.random_range(0..8);
                }
            }
        }
        Act::Cut => {
            done.bytes = whole();
            done.bytes
                .truncate(dice.random_range(0..record.len().max(1)));
            done.cuts = true;
        }
        Act::Drop => {}
        Act::Truncate => {
            let less = dice.random_range(1..=record.len().clamp(1, 16));
            done.bytes = whole();
            done.bytes.truncate(record.len().saturating_sub(less));
        }
        Act::Duplicate => done.bytes = [record, record].concat(),
        Act::Replay => {
            let earlier = earlier.unwrap_or_else(whole);
            match dice.random_range(0..3) {
                0 => done.bytes = [earlier.as_slice(), record].concat(),
                1 => done.bytes = earlier,
                _ => {
                    done.bytes = whole();
                    done.again = true;
                }
            }
        }
        Act::Reorder => done.held = Some(whole()),
        Act::Insert => {
            done.bytes = junk(&mut dice);
            done.bytes.extend_from_slice(record);
        }
        Act::Delay => {
            done.bytes = whole();
            done.pause = Duration::from_millis(dice.random_range(1..=15));
        }
        // Done before the stream begins; nothing is left to do to a record.
        Act::Pose => done.bytes = whole(),
        Act::Swap => {
            done.bytes = other.unwrap_or_else(|| record.iter().rev().copied().collect());
        }
    }
    done
}

fn junk(dice: &mut StdRng) -> Vec<u8> {
    let mut body = vec![0; dice.random_range(1..300)];
    dice.fill(body.as_mut_slice());
    match dice.random_range(0..4) {
        0 => CLOSE_NOTIFY.to_vec(),
        1 => ENDLESS.to_vec(),
        2 => {
            let kind = RECORD_TYPES[dice.random_range(0..RECORD_TYPES.len())];
            let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
            [&[kind, 3, 3], length.as_slice(), &body].concat()
        }
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Way};

    #[test]
    fn every_act_but_a_delay_changes_what_arrives() {
        let record: Vec<u8> = (0..200).collect();
        for (number, act) in Act::ALL.into_iter().enumerate() {
            for dice in 0..50 {
                let mutation = Mutation {
                    number: number as u64,
                    phase: Phase::Hello,
                    way: Way::Up,
                    act,
                    after: 0,
                    dice,
                };
                let done = mangled(&mutation, &record, Some(vec![1; 9]), Some(vec![2; 9]));
                let same = done.bytes == record && !done.cuts && !done.again;
                // Two flips of one bit are none.
                let may_be_same = [Act::Delay, Act::Flip, Act::Pose].contains(&act);
                assert!(!same || may_be_same, "{act:?} {dice}");
                assert!(done.bytes.len() <= 1000 && done.pause <= Duration::from_millis(15));
            }
        }
    }
}
