//! Numbers, acknowledgements and resending: one side's half of "delivery at least once, effect exactly once".
//!
//! Messages are numbered from 1 and kept until the peer acknowledges that it made them durable. On a new carrier with
//! the same resume id the unacknowledged ones are sent again and the receiver drops numbers that it has seen. When
//! the peer has forgotten the session it answers another resume id: [`Numbered::restart`] then numbers what is left
//! from 1 again. Messages with number 0 (hello, welcome, heartbeats and their answers) are neither kept nor counted.
//!
//! Invariants: at most `capacity` messages are kept; an acknowledgement of what was never sent, or a gap in the
//! numbers, is an error of the peer; no clock, no IO.

use crate::session::{AgentMessage, EdgeMessage};
use std::collections::{BTreeSet, VecDeque};

/// A message that carries a number and an acknowledgement.
pub trait SessionMessage: Clone {
    /// 0 when it is not counted.
    fn number(&self) -> u64;
    /// Highest number of the peer that is durable here.
    fn ack(&self) -> u64;
    /// Writes both.
    fn stamp(&mut self, number: u64, ack: u64);
}

macro_rules! session_message {
    ($($message:ident),*) => {$(
        impl SessionMessage for $message {
            fn number(&self) -> u64 {
                self.number
            }
            fn ack(&self) -> u64 {
                self.ack
            }
            fn stamp(&mut self, number: u64, ack: u64) {
                self.number = number;
                self.ack = ack;
            }
        }
    )*};
}
session_message!(AgentMessage, EdgeMessage);

/// What to do with a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Handle it; when its effect is durable, call [`Numbered::durable`].
    New,
    /// It was handled before: drop it.
    Duplicate,
}

/// The peer breaks the rules, or does not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// A number beyond the next one.
    #[error("message {got} arrived where {expected} was next")]
    Gap {
        /// What came.
        got: u64,
        /// What should have come.
        expected: u64,
    },
    /// An acknowledgement of a message that was never sent.
    #[error("message {acked} is acknowledged but only {sent} were sent")]
    NeverSent {
        /// What the peer acknowledges.
        acked: u64,
        /// The highest number sent.
        sent: u64,
    },
    /// Too many messages wait for an acknowledgement.
    #[error("{0} messages wait for an acknowledgement")]
    Full(usize),
}

/// One side of a session; `M` is the message type that this side sends.
#[derive(Clone, Debug)]
pub struct Numbered<M> {
    resume_id: Vec<u8>,
    outbox: VecDeque<M>,
    capacity: usize,
    sent: u64,
    seen: u64,
    durable: u64,
    durable_beyond: BTreeSet<u64>,
}

impl<M: SessionMessage> Numbered<M> {
    /// A new session that keeps at most `capacity` unacknowledged messages.
    #[must_use]
    pub fn new(resume_id: Vec<u8>, capacity: usize) -> Self {
        Self {
            resume_id,
            outbox: VecDeque::new(),
            capacity,
            sent: 0,
            seen: 0,
            durable: 0,
            durable_beyond: BTreeSet::new(),
        }
    }

    /// Names the session across carriers; empty before the first welcome.
    #[must_use]
    pub fn resume_id(&self) -> &[u8] {
        &self.resume_id
    }

    /// Highest number of the peer that is durable here, without gaps.
    #[must_use]
    pub fn ack(&self) -> u64 {
        self.durable
    }

    /// How many messages wait for an acknowledgement.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Numbers a message, keeps it, and returns it as it goes on the wire.
    pub fn send(&mut self, mut message: M) -> Result<M, NumberError> {
        if self.outbox.len() >= self.capacity {
            return Err(NumberError::Full(self.outbox.len()));
        }
        self.sent += 1;
        message.stamp(self.sent, self.durable);
        self.outbox.push_back(message.clone());
        Ok(message)
    }

    /// A message that is not counted, with the acknowledgement on it.
    #[must_use]
    pub fn send_uncounted(&self, mut message: M) -> M {
        message.stamp(0, self.durable);
        message
    }

    /// What a new carrier sends again, in order, with the newest acknowledgement.
    pub fn unacknowledged(&self) -> impl Iterator<Item = M> + '_ {
        self.outbox.iter().map(|kept| {
            let mut message = kept.clone();
            message.stamp(kept.number(), self.durable);
            message
        })
    }

    /// The first kept message with a number above this one, with the newest acknowledgement.
    #[must_use]
    pub fn after(&self, number: u64) -> Option<M> {
        let mut message = self
            .outbox
            .iter()
            .find(|kept| kept.number() > number)
            .cloned()?;
        message.stamp(message.number(), self.durable);
        Some(message)
    }

    /// Takes number and acknowledgement of a message that arrived.
    pub fn receive(&mut self, number: u64, ack: u64) -> Result<Received, NumberError> {
        self.acknowledged(ack)?;
        match number {
            0 => Ok(Received::New),
            _ if number <= self.seen => Ok(Received::Duplicate),
            _ if number == self.seen + 1 => {
                self.seen = number;
                Ok(Received::New)
            }
            _ => Err(NumberError::Gap {
                got: number,
                expected: self.seen + 1,
            }),
        }
    }

    /// The effect of a received number is durable; the acknowledgement grows over it once all before are too.
    pub fn durable(&mut self, number: u64) {
        if number <= self.durable || number > self.seen {
            return;
        }
        self.durable_beyond.insert(number);
        while self.durable_beyond.remove(&(self.durable + 1)) {
            self.durable += 1;
        }
    }

    /// What was received but never became durable is new again when it comes again. For a side that gives up a message
    /// together with the carrier; a side that is still at work on one must not call it.
    pub fn expect_again(&mut self) {
        self.seen = self.durable;
        self.durable_beyond.clear();
    }

    /// The peer has no memory of the session: what is unacknowledged is numbered from 1 again.
    pub fn restart(&mut self, resume_id: Vec<u8>) {
        self.resume_id = resume_id;
        self.sent = 0;
        self.seen = 0;
        self.durable = 0;
        self.durable_beyond.clear();
        for message in &mut self.outbox {
            self.sent += 1;
            message.stamp(self.sent, 0);
        }
    }

    fn acknowledged(&mut self, ack: u64) -> Result<(), NumberError> {
        if ack > self.sent {
            return Err(NumberError::NeverSent {
                acked: ack,
                sent: self.sent,
            });
        }
        while self.outbox.front().is_some_and(|kept| kept.number() <= ack) {
            self.outbox.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{ScanNow, agent_message, edge_message};
    use proptest::prelude::*;

    fn message(reason: &str) -> EdgeMessage {
        EdgeMessage {
            body: Some(edge_message::Body::ScanNow(ScanNow {
                reason: reason.into(),
            })),
            ..EdgeMessage::default()
        }
    }

    fn reason(message: &EdgeMessage) -> String {
        match &message.body {
            Some(edge_message::Body::ScanNow(scan)) => scan.reason.clone(),
            _ => String::new(),
        }
    }

    proptest! {
        /// Carriers break at any message, acknowledgements get lost, both directions: each effect happens once, in order.
        #[test]
        fn every_effect_happens_exactly_once(losses in prop::collection::vec((any::<bool>(), any::<bool>()), 1..80)) {
            let mut edge = Numbered::<EdgeMessage>::new(vec![1; 16], 1000);
            let mut agent = Numbered::<AgentMessage>::new(vec![1; 16], 1000);
            let (mut wanted, mut got) = (Vec::new(), Vec::new());
            let mut deliver = |agent: &mut Numbered<AgentMessage>, message: &EdgeMessage| {
                if agent.receive(message.number, message.ack) == Ok(Received::New) {
                    got.push(reason(message));
                    agent.durable(message.number);
                }
            };
            for (n, (lost, ack_lost)) in losses.into_iter().enumerate() {
                wanted.push(n.to_string());
                let sent = edge.send(message(&n.to_string())).expect("room");
                if lost {
                    // The carrier broke: the next one resends everything.
                    for again in edge.unacknowledged().collect::<Vec<_>>() {
                        deliver(&mut agent, &again);
                    }
                } else {
                    deliver(&mut agent, &sent);
                }
                if !ack_lost {
                    let heartbeat = agent.send_uncounted(AgentMessage {
                        body: Some(agent_message::Body::Heartbeat(Default::default())),
                        ..AgentMessage::default()
                    });
                    prop_assert_eq!(edge.receive(heartbeat.number, heartbeat.ack), Ok(Received::New));
                    prop_assert_eq!(edge.waiting(), 0);
                }
            }
            for again in edge.unacknowledged().collect::<Vec<_>>() {
                deliver(&mut agent, &again);
            }
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn the_acknowledgement_waits_for_the_slowest() {
        let mut side = Numbered::<AgentMessage>::new(Vec::new(), 4);
        for number in 1..=3 {
            assert_eq!(side.receive(number, 0), Ok(Received::New));
        }
        side.durable(3);
        side.durable(1);
        assert_eq!(side.ack(), 1);
        side.durable(2);
        assert_eq!(side.ack(), 3);
        side.durable(9);
        assert_eq!(side.ack(), 3);
    }

    #[test]
    fn what_was_given_up_is_new_again() {
        let mut side = Numbered::<EdgeMessage>::new(Vec::new(), 1);
        for number in 1..=2 {
            assert_eq!(side.receive(number, 0), Ok(Received::New));
        }
        side.durable(1);
        side.expect_again();
        assert_eq!(side.receive(1, 0), Ok(Received::Duplicate));
        assert_eq!(side.receive(2, 0), Ok(Received::New));
    }

    #[test]
    fn gaps_and_acknowledgements_of_the_unsent_are_errors() {
        let mut side = Numbered::<EdgeMessage>::new(Vec::new(), 1);
        assert!(matches!(side.receive(2, 0), Err(NumberError::Gap { .. })));
        assert!(matches!(
            side.receive(1, 1),
            Err(NumberError::NeverSent { .. })
        ));
        side.send(message("a")).expect("room");
        assert_eq!(side.send(message("b")), Err(NumberError::Full(1)));
    }

    #[test]
    fn a_peer_without_memory_gets_everything_from_one() {
        let mut side = Numbered::<EdgeMessage>::new(vec![1], 9);
        for reason in ["a", "b", "c"] {
            side.send(message(reason)).expect("room");
        }
        side.receive(0, 1).expect("acknowledges a");
        side.restart(vec![2]);
        let again: Vec<_> = side
            .unacknowledged()
            .map(|m| (m.number, reason(&m)))
            .collect();
        assert_eq!(again, [(1, "b".to_owned()), (2, "c".to_owned())]);
        assert_eq!(side.resume_id(), [2]);
    }
}
