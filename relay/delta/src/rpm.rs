//! An RPM package: lead, signature header, header, and a compressed cpio archive at its end (RPM file format, version 4).

use crate::DeltaError;
use crate::layout::{Codec, Piece};

const LEAD: usize = 96;
const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const XZ: &[u8] = b"\xfd7zXZ\0";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

pub(crate) fn is_rpm(file: &[u8]) -> bool {
    file.starts_with(&MAGIC)
}

/// Everything before the payload stands as it is.
pub(crate) fn pieces(file: &[u8]) -> Result<Vec<Piece>, DeltaError> {
    let signature = header_end(file, LEAD)?;
    let payload = header_end(file, signature.next_multiple_of(8))?;
    let codec = match &file[payload..] {
        rest if rest.starts_with(XZ) => Codec::Xz,
        rest if rest.starts_with(ZSTD) => Codec::Zstd,
        _ => Codec::Plain,
    };
    Ok(vec![
        Piece {
            bytes: 0..payload,
            codec: Codec::Plain,
        },
        Piece {
            bytes: payload..file.len(),
            codec,
        },
    ])
}

/// Where a header that begins at `at` ends: 16 bytes, 16 for each index entry, then the store.
fn header_end(file: &[u8], at: usize) -> Result<usize, DeltaError> {
    let broken = || DeltaError::Layout("rpm header".into());
    let head = file.get(at..at + 16).ok_or_else(broken)?;
    if !head.starts_with(&HEADER_MAGIC) {
        return Err(broken());
    }
    let number = |range: std::ops::Range<usize>| {
        let bytes: [u8; 4] = head[range].try_into().unwrap_or_default();
        u32::from_be_bytes(bytes) as usize
    };
    let (entries, store) = (number(8..12), number(12..16));
    let end = at + 16 + entries.saturating_mul(16).saturating_add(store);
    if end <= file.len() {
        Ok(end)
    } else {
        Err(broken())
    }
}
