//! What is done to which bytes: decided by seed and number alone, so that each mutation can be done again.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::fmt;

/// What is under way when the relay interferes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// What a session's stream is for, as the relay tells the edge.
    Opening,
    /// The edge's answer to that.
    Answer,
    /// The end-to-end TLS handshake inside a session's stream.
    Handshake,
    /// Hello, welcome and what follows them.
    Hello,
    /// An enrolment, its handshake included.
    Enrolment,
    /// A membership document on its way to the host.
    Membership,
    /// An order on its way to the host, and the host's answer.
    Order,
    /// A check-in and the signed time.
    CheckIn,
    /// Facts and a manifest on their way to the edge.
    Report,
    /// A signed result of a run, and what the edge says to it.
    Result,
    /// A host's request for a payload.
    Request,
    /// A package on its way to the host.
    Payload,
    /// The recipe by which a relay rebuilds a package.
    Recipe,
    /// The signed table of contents, or the index that it names.
    Contents,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// To the edge.
    Up,
    /// To the host.
    Down,
}

/// What is done to a record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Some of its bits change.
    Flip,
    /// The stream ends within it.
    Cut,
    /// It is left out.
    Drop,
    /// Its end is left out, the stream goes on.
    Truncate,
    /// It comes twice.
    Duplicate,
    /// One that was carried before comes before it or in its place, or all that a stream carried comes on another stream.
    Replay,
    /// It comes after the next one.
    Reorder,
    /// Bytes of the relay's own come before it.
    Insert,
    /// It comes later.
    Delay,
    /// One of another host, or of the other direction, comes in its place.
    Swap,
    /// The relay itself answers in the edge's place, or speaks to the edge as if it were the host.
    Pose,
}

impl Phase {
    /// All of them, with how many of a hundred mutations each has.
    pub const ALL: [(Self, u32); 14] = [
        (Self::Opening, 6),
        (Self::Answer, 6),
        (Self::Handshake, 9),
        (Self::Hello, 8),
        (Self::Enrolment, 3),
        (Self::Membership, 6),
        (Self::Order, 8),
        (Self::CheckIn, 5),
        (Self::Report, 6),
        (Self::Result, 8),
        (Self::Request, 9),
        (Self::Payload, 13),
        (Self::Recipe, 6),
        (Self::Contents, 7),
    ];

    /// Whether it happens on a stream for a payload.
    #[must_use]
    pub fn is_of_payloads(self) -> bool {
        matches!(
            self,
            Self::Request | Self::Payload | Self::Recipe | Self::Contents
        )
    }

    /// What may be done in it.
    fn acts(self) -> &'static [Act] {
        match self {
            Self::Handshake | Self::Enrolment => &Act::ALL,
            _ => &Act::ALL[..Act::ALL.len() - 1],
        }
    }

    /// Which directions it has, and how many records of each may pass before the relay interferes.
    fn ways(self) -> &'static [(Way, usize)] {
        match self {
            Self::Opening | Self::Request => &[(Way::Up, 0)],
            Self::Answer | Self::Recipe => &[(Way::Down, 0)],
            // Behind the opening and its answer.
            Self::Handshake => &[(Way::Up, 3), (Way::Down, 3)],
            Self::Hello => &[(Way::Up, 6), (Way::Down, 8)],
            Self::Enrolment => &[(Way::Up, 4), (Way::Down, 4)],
            Self::Membership => &[(Way::Down, 1)],
            Self::Order => &[(Way::Down, 1), (Way::Up, 0)],
            Self::CheckIn | Self::Report | Self::Result => &[(Way::Up, 0), (Way::Down, 0)],
            Self::Payload => &[(Way::Down, 6)],
            Self::Contents => &[(Way::Down, 1)],
        }
    }
}

impl Act {
    /// All of them; the last one only where a handshake begins.
    pub const ALL: [Self; 11] = [
        Self::Flip,
        Self::Cut,
        Self::Drop,
        Self::Truncate,
        Self::Duplicate,
        Self::Replay,
        Self::Reorder,
        Self::Insert,
        Self::Delay,
        Self::Swap,
        Self::Pose,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opening => "opening",
            Self::Answer => "answer",
            Self::Handshake => "handshake",
            Self::Hello => "hello",
            Self::Enrolment => "enrolment",
            Self::Membership => "membership",
            Self::Order => "order",
            Self::CheckIn => "check-in",
            Self::Report => "report",
            Self::Result => "result",
            Self::Request => "payload request",
            Self::Payload => "payload",
            Self::Recipe => "recipe",
            Self::Contents => "contents",
        })
    }
}

/// One mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Its place in the plan.
    pub number: u64,
    /// When.
    pub phase: Phase,
    /// In which direction.
    pub way: Way,
    /// What.
    pub act: Act,
    /// Records of that direction that pass first.
    pub after: usize,
    /// Decides everything else.
    pub dice: u64,
}

impl Mutation {
    /// The mutation of this number in the plan of this seed.
    #[must_use]
    pub fn of(seed: u64, number: u64) -> Self {
        // An odd factor: no two numbers of a seed share a generator.
        let mut dice = StdRng::seed_from_u64(
            seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17),
        );
        let mut left = dice.random_range(0..100);
        let mut phase = Phase::Contents;
        for (one, share) in Phase::ALL {
            if left < share {
                phase = one;
                break;
            }
            left -= share;
        }
        let ways = phase.ways();
        let (way, most) = ways[dice.random_range(0..ways.len())];
        let least = match phase {
            Phase::Handshake | Phase::Enrolment => usize::from(most > 0),
            Phase::Hello => 4,
            _ => 0,
        };
        Self {
            number,
            phase,
            way,
            act: phase.acts()[dice.random_range(0..phase.acts().len())],
            after: dice.random_range(least..=most),
            dice: dice.random(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_mutation_is_the_same_each_time_and_another_with_another_seed() {
        let plan = |seed| {
            (0..500)
                .map(|number| Mutation::of(seed, number))
                .collect::<Vec<_>>()
        };
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        assert_eq!(Phase::ALL.iter().map(|(_, share)| share).sum::<u32>(), 100);
    }

    #[test]
    fn every_act_meets_every_phase_in_each_of_its_directions() {
        let seen: BTreeSet<_> = (0..10_000)
            .map(|number| Mutation::of(1, number))
            .map(|mutation| (mutation.phase, mutation.way, mutation.act))
            .collect();
        let all = Phase::ALL
            .iter()
            .map(|(phase, _)| phase.ways().len() * phase.acts().len());
        assert_eq!(seen.len(), all.sum::<usize>());
    }
}
