//! Large messages that come in parts: bounded for each session and for all together.
//!
//! A part is acknowledged only when the whole has been handled, so a session that ends in between gets all parts again
//! on the next carrier. Parts that break the rule are answered with an error, dropped, and count as handled.

use super::session::{End, Session};
use netpatch_protocol::Assembler;
use netpatch_protocol::session::MessagePart;
use netpatch_types::{ErrorCode, ServiceError};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The parts of one session.
#[derive(Default)]
pub(crate) struct Parts {
    assembler: Assembler,
    /// Numbers of the messages that carried them.
    numbers: Vec<u64>,
    /// Bytes that are held, taken from what all sessions may hold.
    room: Option<OwnedSemaphorePermit>,
}

impl Session<'_> {
    /// Takes a part, and handles the message when it was the last.
    pub(crate) async fn part(&mut self, number: u64, part: MessagePart) -> Result<(), End> {
        self.expect_whole()?;
        if part.index == 0 {
            self.settle_parts();
        }
        self.take_room(part.bytes.len())?;
        self.parts.numbers.push(number);
        let now = self.shared.clock.monotonic();
        match self.parts.assembler.take(part, now) {
            Ok(None) => return Ok(()),
            Ok(Some(body)) => self.handle(body).await?,
            Err(error) => {
                let error = ServiceError::invalid("part", error.to_string());
                self.answer_error(error).await?;
            }
        }
        self.settle_parts();
        Ok(())
    }

    /// An error when a message that was begun is overdue.
    pub(crate) fn expect_whole(&self) -> Result<(), End> {
        let now = self.shared.clock.monotonic();
        if self.parts.assembler.is_overdue(now) {
            return Err(End::Unfinished);
        }
        Ok(())
    }

    fn take_room(&mut self, size_bytes: usize) -> Result<(), End> {
        let all = Arc::clone(&self.shared.parts);
        let bytes = u32::try_from(size_bytes).unwrap_or(u32::MAX);
        let taken = all.try_acquire_many_owned(bytes).map_err(|_| {
            let message = "too many large messages are under way, try again later";
            End::Unavailable(ServiceError::new(ErrorCode::Throttled, message))
        })?;
        match &mut self.parts.room {
            Some(room) => room.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }

    /// What was collected is handled or superseded.
    fn settle_parts(&mut self) {
        self.parts.room = None;
        for number in self.parts.numbers.drain(..) {
            self.memory.numbered.durable(number);
        }
    }
}
