//! The difference by content-defined chunks (FastCDC): what the old content has is named, the rest is sent.
//!
//! Cheap in memory and time where a patch is not, and better where content was moved about.

use crate::DeltaError;
use crate::recipe::Chunks;
use fastcdc::v2020::FastCDC;
use netpatch_types::Sha256;
use std::collections::HashMap;
use std::io::Read;

/// Bytes of the smallest, the usual and the largest chunk.
const SIZES: (usize, usize, usize) = (1 << 10, 4 << 10, 64 << 10);
const LEVEL: i32 = 19;

pub(crate) fn make(old: &[u8], new: &[u8]) -> Result<Chunks, DeltaError> {
    let of = |bytes| FastCDC::new(bytes, SIZES.0, SIZES.1, SIZES.2);
    let mut held: HashMap<Sha256, usize> = HashMap::new();
    for chunk in of(old) {
        let bytes = &old[chunk.offset..chunk.offset + chunk.length];
        held.entry(Sha256::of(bytes)).or_insert(chunk.offset);
    }
    let mut steps: Vec<u64> = Vec::new();
    let mut literals = Vec::new();
    for chunk in of(new) {
        let bytes = &new[chunk.offset..chunk.offset + chunk.length];
        let from = held.get(&Sha256::of(bytes)).map(|offset| *offset as u64);
        if from.is_none() {
            literals.extend_from_slice(bytes);
        }
        push(&mut steps, from, bytes.len() as u64);
    }
    Ok(Chunks {
        steps,
        literal_bytes: literals.len() as u64,
        literals: zstd::stream::encode_all(literals.as_slice(), LEVEL)?,
    })
}

/// A step is its length and, one higher, where the old content has it; 0 is for a literal. Neighbours are joined.
fn push(steps: &mut Vec<u64>, from: Option<u64>, length: u64) {
    if let [.., last_length, last_from] = steps.as_mut_slice() {
        let follows = match (from, *last_from) {
            (None, 0) => true,
            (Some(from), last) if last > 0 => last - 1 + *last_length == from,
            _ => false,
        };
        if follows {
            *last_length += length;
            return;
        }
    }
    steps.extend([length, from.map_or(0, |from| from + 1)]);
}

/// The new content, exactly `length` bytes.
pub(crate) fn apply(old: &[u8], chunks: &Chunks, length: usize) -> Result<Vec<u8>, DeltaError> {
    let broken = |what: &str| DeltaError::Recipe(what.to_owned());
    let expected = usize::try_from(chunks.literal_bytes)
        .ok()
        .filter(|bytes| *bytes <= length)
        .ok_or_else(|| broken("more literals than content"))?;
    let mut literals = Vec::new();
    zstd::stream::read::Decoder::new(chunks.literals.as_slice())?
        .take(expected as u64 + 1)
        .read_to_end(&mut literals)
        .map_err(|error| broken(&error.to_string()))?;
    if literals.len() != expected {
        return Err(broken("other literals than it says"));
    }
    let mut rest = literals.as_slice();
    let mut out = Vec::with_capacity(length.min(old.len() + expected));
    for step in chunks.steps.chunks(2) {
        let [size, from] = step else {
            return Err(broken("half a step"));
        };
        let size = usize::try_from(*size)
            .ok()
            .filter(|size| *size <= length - out.len())
            .ok_or_else(|| broken("steps are longer than content"))?;
        if *from == 0 {
            let (now, after) = rest
                .split_at_checked(size)
                .ok_or_else(|| broken("too few literals"))?;
            out.extend_from_slice(now);
            rest = after;
        } else {
            let start = usize::try_from(*from - 1).map_err(|_| broken("far offset"))?;
            let end = start.checked_add(size);
            let copied = end.and_then(|end| old.get(start..end));
            out.extend_from_slice(copied.ok_or_else(|| broken("beyond the old content"))?);
        }
    }
    if out.len() == length {
        Ok(out)
    } else {
        Err(broken("steps are shorter than content"))
    }
}
