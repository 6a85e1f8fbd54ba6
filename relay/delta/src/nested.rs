//! gzip inside: manual pages and changelogs are compressed once more within a package's tar archive.
//!
//! Builders of distributions use GNU gzip, whose deflate has given the same bytes for decades and which is on every relay: such a stream is
//! unfolded into its text and the level that gives its very bytes again. A stream that no level gives stays as it is.

mod gzip;

use crate::DeltaError;
use flate2::{Decompress, FlushDecompress, Status};
use std::ops::Range;

/// Unit of a tar archive (POSIX.1-1988, ustar).
const BLOCK: usize = 512;
/// A gzip member's trailer: CRC-32 and length (RFC 1952).
const TRAILER: usize = 8;
/// Most streams of a package.
pub(crate) const MAX_FOLDS: usize = 1 << 16;
/// Longest decompressed stream.
const MAX_STREAM: usize = 64 << 20;

/// A stream that was unfolded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Bytes since the last one that stand as they are.
    pub(crate) before: u64,
    /// Decompressed bytes.
    pub(crate) plain: u64,
    /// gzip's level, 1–9.
    pub(crate) level: u32,
}

/// Appends the content with its streams unfolded; there is no way back.
pub(crate) fn unfold(content: &[u8], out: &mut Vec<u8>) {
    let mut position = 0;
    for stream in streams(content) {
        let Some(text) = inflate(&content[stream.clone()]) else {
            continue;
        };
        out.extend_from_slice(&content[position..stream.start]);
        out.extend_from_slice(&text);
        position = stream.end;
    }
    out.extend_from_slice(&content[position..]);
}

/// The same, with the way back.
pub(crate) fn unfold_exactly(content: &[u8], out: &mut Vec<u8>) -> Vec<Fold> {
    let mut folds = Vec::new();
    let mut position = 0;
    for stream in streams(content) {
        let bytes = &content[stream.clone()];
        let Some((text, level)) = analyse(bytes) else {
            continue;
        };
        out.extend_from_slice(&content[position..stream.start]);
        out.extend_from_slice(&text);
        folds.push(Fold {
            before: (stream.start - position) as u64,
            plain: text.len() as u64,
            level,
        });
        position = stream.end;
    }
    out.extend_from_slice(&content[position..]);
    folds
}

/// The content as it was.
pub(crate) fn fold(unfolded: &[u8], folds: &[Fold], limit: usize) -> Result<Vec<u8>, DeltaError> {
    let broken = |what: &str| DeltaError::Recipe(what.to_owned());
    let mut rest = unfolded;
    let mut take = |bytes: u64| {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let (now, after) = rest
            .split_at_checked(bytes)
            .ok_or_else(|| broken("folds are longer than content"))?;
        rest = after;
        Ok::<_, DeltaError>(now)
    };
    let mut out = Vec::new();
    for fold in folds {
        out.extend_from_slice(take(fold.before)?);
        let stream = gzip::deflate(take(fold.plain)?, fold.level)
            .ok_or_else(|| broken("a stream cannot be recreated"))?;
        out.extend_from_slice(&stream);
        if out.len() > limit {
            return Err(DeltaError::TooLarge {
                what: "the package",
                limit,
            });
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// The text, and the level that gives the stream.
fn analyse(stream: &[u8]) -> Option<(Vec<u8>, u32)> {
    let text = inflate(stream)?;
    // Packages take the best (Debian Policy 12.3), others what gzip takes unasked.
    let level = [9, 6]
        .into_iter()
        .find(|level| gzip::deflate(&text, *level).as_deref() == Some(stream))?;
    Some((text, level))
}

/// The whole stream's text; `None` unless it ends exactly where the stream does.
fn inflate(stream: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(stream.len().saturating_mul(4).min(MAX_STREAM));
    let mut inflate = Decompress::new(false);
    loop {
        let at = usize::try_from(inflate.total_in()).ok()?;
        let before = (at, out.len());
        let status = inflate.decompress_vec(stream.get(at..)?, &mut out, FlushDecompress::Finish);
        match status.ok()? {
            Status::StreamEnd => break,
            _ if out.len() > MAX_STREAM => return None,
            _ if out.len() == out.capacity() => out.reserve(out.len().max(BLOCK)),
            _ if (usize::try_from(inflate.total_in()).ok()?, out.len()) == before => return None,
            _ => {}
        }
    }
    (inflate.total_in() == stream.len() as u64).then_some(out)
}

/// Where the deflate data of gzip files in a tar archive lie.
fn streams(content: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(header) = content.get(position..position + BLOCK) {
        let Some(size) = octal(&header[124..136]).filter(|_| &header[257..262] == b"ustar") else {
            // Not an archive, its end, or something that we do not know: nothing further is looked for.
            break;
        };
        let start = position + BLOCK;
        let Some(end) = start.checked_add(size).filter(|end| *end <= content.len()) else {
            break;
        };
        let is_file = matches!(header[156], b'0' | 0);
        if is_file && let Some(stream) = deflate_of(&content[start..end]) {
            found.push(start + stream.start..start + stream.end);
            if found.len() == MAX_FOLDS {
                break;
            }
        }
        position = start + size.next_multiple_of(BLOCK);
    }
    found
}

/// Where a gzip file of one member has its deflate data (RFC 1952).
fn deflate_of(file: &[u8]) -> Option<Range<usize>> {
    const NAME: u8 = 0x08;
    let header = file.get(..10)?;
    if header[..3] != [0x1f, 0x8b, 8] || header[3] & !NAME != 0 {
        return None;
    }
    let mut start = 10;
    if header[3] & NAME != 0 {
        start += file[start..].iter().position(|byte| *byte == 0)? + 1;
    }
    let end = file.len().checked_sub(TRAILER)?;
    (start < end).then_some(start..end)
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?;
    usize::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}
