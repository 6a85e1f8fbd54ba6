//! Randomness that can be repeated.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// The seed of this run: `NETPATCH_SEED`, else a new one. Printed, so that a failing test shows it.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("NETPATCH_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("NETPATCH_SEED={seed}");
    seed
}

/// A generator that yields the same for the same seed.
#[must_use]
pub fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}
