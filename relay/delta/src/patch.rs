//! The difference as one zstd frame whose prefix is the old content (`zstd --patch-from`).

use crate::DeltaError;
use std::io::{Read, Write};

/// Content that may have the strongest level; above it compressing would take minutes.
const STRONGEST_BELOW: usize = 64 << 20;
/// Most that libzstd's decoder takes.
const MAX_WINDOW_LOG: u32 = 31;

pub(crate) fn make(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let level = if old.len() + new.len() <= STRONGEST_BELOW {
        19
    } else {
        12
    };
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(Vec::new(), level, old)?;
    encoder.window_log(window_log(old.len(), new.len()))?;
    encoder.long_distance_matching(true)?;
    encoder.include_checksum(false)?;
    encoder.set_pledged_src_size(Some(new.len() as u64))?;
    encoder.write_all(new)?;
    Ok(encoder.finish()?)
}

/// The new content, exactly `length` bytes; whatever else comes out is an error.
pub(crate) fn apply(old: &[u8], frame: &[u8], length: usize) -> Result<Vec<u8>, DeltaError> {
    let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(frame, old)?;
    // The frame names the window that its decoder needs: no more than the two versions have.
    decoder.window_log_max(window_log(old.len(), length))?;
    let mut out = Vec::new();
    let read = decoder.take(length as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| DeltaError::Recipe(error.to_string()))?;
    if out.len() == length {
        Ok(out)
    } else {
        Err(DeltaError::Recipe("other length than it says".into()))
    }
}

/// A window that reaches over both.
fn window_log(old: usize, new: usize) -> u32 {
    let both = (old + new).max(1 << 10);
    both.next_power_of_two()
        .trailing_zeros()
        .min(MAX_WINDOW_LOG)
}
