//! The check-in counter (boot id, n): it only grows, across restarts and reboots, so that a cloned key forks it.
//!
//! Numbers are reserved on the disk in blocks, so a check-in writes nothing.

use crate::state::StateFolder;
use netpatch_proof::{P256Signer, Signer as _, SigningFailed};
use netpatch_protocol::counter::{BOOT_ID_BYTES, counter_bytes};
use netpatch_protocol::session::Counter;
use netpatch_types::Sha256;
use std::collections::VecDeque;
use std::io;

const FILE: &str = "counter";
/// Numbers reserved at once.
const BLOCK: u64 = 10_000;
/// Counters whose answer may still come.
const REMEMBERED: usize = 16;

/// The counter of this process.
pub struct CheckIn {
    state: StateFolder,
    boot_id: [u8; BOOT_ID_BYTES],
    next: u64,
    reserved: u64,
    key: P256Signer,
    issued: VecDeque<Sha256>,
}

/// A counter cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckInFault {
    /// The disk.
    #[error("cannot reserve check-in numbers: {0}")]
    Io(#[from] io::Error),
    /// The key.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl CheckIn {
    /// Goes on behind everything that an earlier process may have used.
    pub fn new(state: &StateFolder, boot_id: &str, key: P256Signer) -> io::Result<Self> {
        let held = state
            .read(FILE)?
            .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok())
            .unwrap_or(0);
        let boot_id = boot_id
            .parse::<uuid::Uuid>()
            .unwrap_or_default()
            .into_bytes();
        Ok(Self {
            state: state.clone(),
            boot_id,
            next: held,
            reserved: held,
            key,
            issued: VecDeque::new(),
        })
    }

    /// The next check-in, signed.
    pub fn issue(&mut self) -> Result<Counter, CheckInFault> {
        if self.next >= self.reserved {
            let reserved = self.next + BLOCK;
            self.state.write(FILE, reserved.to_string().as_bytes())?;
            self.reserved = reserved;
        }
        self.next += 1;
        let bytes = counter_bytes(&self.boot_id, self.next);
        let signature = self.key.sign(&bytes)?;
        if self.issued.len() == REMEMBERED {
            self.issued.pop_front();
        }
        self.issued.push_back(Sha256::of(&bytes));
        Ok(Counter {
            boot_id: self.boot_id.to_vec(),
            n: self.next,
            signature,
        })
    }

    /// Whether a time proof answers a counter of this process.
    #[must_use]
    pub fn is_answered_by(&self, nonce: &[u8]) -> bool {
        self.issued.iter().any(|issued| issued.0 == nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_across_processes_and_are_signed() {
        let folder = tempfile::tempdir().expect("folder");
        let state = StateFolder::open(folder.path()).expect("state");
        let key = || P256Signer::from_secret(&[7; 32]).expect("a key");
        let boot = uuid::Uuid::from_u128(5);
        let mut first = CheckIn::new(&state, &boot.to_string(), key()).expect("counter");
        let one = first.issue().expect("one");
        let two = first.issue().expect("two");
        assert!(two.n > one.n);
        let bytes = counter_bytes(boot.as_bytes(), two.n);
        assert!(key().public_key().verify(&bytes, &two.signature));
        assert!(first.is_answered_by(&Sha256::of(&bytes).0));
        let mut second = CheckIn::new(&state, &boot.to_string(), key()).expect("counter");
        assert!(second.issue().expect("three").n > two.n);
        assert!(!second.is_answered_by(&Sha256::of(&bytes).0));
    }
}
