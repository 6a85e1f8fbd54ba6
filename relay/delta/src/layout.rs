//! A package as a row of pieces: bytes that stand as they are, and compressed members.

use crate::member::{self, Encoding};
use crate::{DeltaError, Limits, deb, rpm};
use std::ops::Range;

/// A part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Of the file.
    pub(crate) bytes: Range<usize>,
    /// Whether it is compressed, and with what.
    pub(crate) codec: Codec,
}

/// How a piece is compressed, before it is known how exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Not at all.
    Plain,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

/// A package taken apart.
#[derive(Debug)]
pub(crate) struct Layout {
    /// All pieces, decompressed, one after the other.
    pub(crate) plain: Vec<u8>,
    /// Bytes of each piece in `plain`, and what it is.
    pieces: Vec<(usize, Piece)>,
}

/// How a piece is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Decompressed bytes.
    pub(crate) plain: u64,
    /// How they are compressed.
    pub(crate) encoding: Encoding,
}

impl Layout {
    /// Takes a `.deb` or `.rpm` apart.
    pub(crate) fn of(file: &[u8], limits: &Limits) -> Result<Self, DeltaError> {
        let pieces = if deb::is_deb(file) {
            deb::pieces(file)?
        } else if rpm::is_rpm(file) {
            rpm::pieces(file)?
        } else {
            return Err(DeltaError::Layout("neither a deb nor an rpm".into()));
        };
        let mut plain = Vec::new();
        let mut sized = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let before = plain.len();
            let bytes = &file[piece.bytes.clone()];
            member::decompress(bytes, piece.codec, &mut plain, limits.plain_bytes)?;
            sized.push((plain.len() - before, piece));
        }
        Ok(Self {
            plain,
            pieces: sized,
        })
    }

    /// How each piece is written again.
    pub(crate) fn encodings(
        &self,
        file: &[u8],
        limits: &Limits,
    ) -> Result<Vec<Written>, DeltaError> {
        let mut position = 0;
        let mut out = Vec::with_capacity(self.pieces.len());
        for (length, piece) in &self.pieces {
            let plain = &self.plain[position..position + length];
            position += length;
            let bytes = &file[piece.bytes.clone()];
            let encoding = member::find(piece.codec, plain, bytes, limits)
                .ok_or_else(|| DeltaError::Encoding(format!("at byte {}", piece.bytes.start)))?;
            out.push(Written {
                plain: *length as u64,
                encoding,
            });
        }
        Ok(out)
    }
}

/// Writes the file from its decompressed pieces; at most `new_bytes` bytes.
pub(crate) fn assemble(
    plain: &[u8],
    pieces: &[Written],
    new_bytes: u64,
    limits: &Limits,
) -> Result<Vec<u8>, DeltaError> {
    let most = usize::try_from(new_bytes).unwrap_or(usize::MAX);
    let mut rest = plain;
    let mut out = Vec::new();
    for piece in pieces {
        let length = usize::try_from(piece.plain).unwrap_or(usize::MAX);
        let Some((now, after)) = rest.split_at_checked(length) else {
            return Err(DeltaError::Recipe("pieces are longer than content".into()));
        };
        rest = after;
        member::compress(now, piece.encoding, &mut out, limits)?;
        if out.len() > most {
            return Err(DeltaError::Unproven);
        }
    }
    if rest.is_empty() {
        Ok(out)
    } else {
        Err(DeltaError::Recipe("pieces are shorter than content".into()))
    }
}
