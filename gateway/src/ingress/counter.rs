//! The check-in counter: finds two live copies of one identity.
//!
//! (boot id, n) grows with every check-in and is signed with the host's identity key. Gaps are fine.

use netpatch_proof::PublicKey;
use netpatch_protocol::counter::{BOOT_ID_BYTES, counter_bytes};
use netpatch_protocol::session::Counter;
use netpatch_types::Sha256;

/// A counter whose signature was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckIn {
    pub(crate) boot_id: [u8; BOOT_ID_BYTES],
    pub(crate) n: u64,
}

/// What a counter says beside the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It grew, or is the first.
    Grown,
    /// It was used before.
    Replayed,
    /// Two copies are live.
    Forked,
    /// It fell back and nobody else is live: a restored snapshot.
    Restored,
}

/// A counter, if the host's key signed it.
pub(crate) fn read(counter: Option<&Counter>, key: &PublicKey) -> Option<CheckIn> {
    let counter = counter?;
    let boot_id: [u8; BOOT_ID_BYTES] = counter.boot_id.as_slice().try_into().ok()?;
    let signed = counter_bytes(&boot_id, counter.n);
    key.verify(&signed, &counter.signature).then_some(CheckIn {
        boot_id,
        n: counter.n,
    })
}

/// What the signed time answers.
pub(crate) fn nonce(check_in: &CheckIn) -> Sha256 {
    Sha256::of(&counter_bytes(&check_in.boot_id, check_in.n))
}

/// Judges a counter beside the last one. `other_live`: another session of the identity was heard a moment ago.
pub(crate) fn judge(last: Option<&CheckIn>, new: &CheckIn, other_live: bool) -> Judgement {
    match last {
        Some(last) if new.n <= last.n => match (new.boot_id == last.boot_id, other_live) {
            (false, true) => Judgement::Forked,
            (false, false) => Judgement::Restored,
            (true, _) => Judgement::Replayed,
        },
        _ => Judgement::Grown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_proof::{P256Signer, Signer as _};

    fn at(boot: u8, n: u64) -> CheckIn {
        CheckIn {
            boot_id: [boot; 16],
            n,
        }
    }

    #[test]
    fn only_growth_is_fine() {
        let last = at(1, 10);
        let judged = |new: CheckIn, live: bool| judge(Some(&last), &new, live);
        assert_eq!(judge(None, &at(1, 1), true), Judgement::Grown);
        assert_eq!(judged(at(1, 11), true), Judgement::Grown);
        assert_eq!(judged(at(2, 500), true), Judgement::Grown);
        assert_eq!(judged(at(1, 10), false), Judgement::Replayed);
        assert_eq!(judged(at(1, 9), true), Judgement::Replayed);
        assert_eq!(judged(at(2, 10), true), Judgement::Forked);
        assert_eq!(judged(at(2, 3), false), Judgement::Restored);
    }

    #[test]
    fn a_counter_counts_only_with_the_hosts_signature() {
        let (host, other) = (
            P256Signer::from_secret(&[1; 32]),
            P256Signer::from_secret(&[2; 32]),
        );
        let (host, other) = (host.expect("valid"), other.expect("valid"));
        let mut counter = Counter {
            boot_id: vec![3; 16],
            n: 7,
            signature: host.sign(&counter_bytes(&[3; 16], 7)).expect("signs"),
        };
        assert_eq!(read(Some(&counter), &host.public_key()), Some(at(3, 7)));
        assert_eq!(read(Some(&counter), &other.public_key()), None);
        counter.n = 8;
        assert_eq!(read(Some(&counter), &host.public_key()), None);
        counter.boot_id.pop();
        assert_eq!(read(Some(&counter), &host.public_key()), None);
        assert_eq!(read(None, &host.public_key()), None);
    }
}
