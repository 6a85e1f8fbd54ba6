//! Differences between versions of a payload, for relays that hold an older one.

use netpatch_types::Sha256;
use serde::{Deserialize, Serialize};

/// Most versions that a relay may name as what it holds.
pub const MAX_DELTA_BASES: usize = 4;

/// A version that a relay holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaBase {
    /// Names its bytes.
    pub sha256: Sha256,
    /// Where it came from.
    pub url: String,
}

/// Whether there is a difference from what a relay holds to what it wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaGet {
    /// Where the wanted version lies; whether with http or https makes no difference for finding what hosts said of it.
    pub url: String,
    /// The hash that it must have, if the relay knows.
    pub sha256: Option<Sha256>,
    /// What the relay holds, best first, at most [`MAX_DELTA_BASES`].
    pub bases: Vec<DeltaBase>,
}

/// A difference that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// From which of the versions that the relay holds.
    pub base: Sha256,
    /// To which.
    pub sha256: Sha256,
    /// Key of the recipe's blob.
    pub blob: String,
}
