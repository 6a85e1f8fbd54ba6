//! A package as a row of pieces: bytes that stand as they are, and compressed members.

use crate::member::{self, Encoding};
use crate::nested::{self, Fold};
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
    /// What it is made of, with the decompressed content of each piece.
    pieces: Vec<(Piece, Vec<u8>)>,
}

/// How a piece is written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its bytes of the unfolded content.
    pub(crate) plain: u64,
    /// What was compressed within it.
    pub(crate) folds: Vec<Fold>,
    /// How it is compressed itself.
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
        let mut room = limits.plain_bytes;
        let mut out = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let bytes = &file[piece.bytes.clone()];
            let content =
                member::decompress(bytes, piece.codec, room).map_err(|error| match error {
                    DeltaError::TooLarge { what, .. } => DeltaError::TooLarge {
                        what,
                        limit: limits.plain_bytes,
                    },
                    other => other,
                })?;
            room -= content.len();
            out.push((piece, content));
        }
        Ok(Self { pieces: out })
    }

    /// All of its content, unfolded: what a difference is taken of.
    pub(crate) fn content(self, limits: &Limits) -> Result<Vec<u8>, DeltaError> {
        let mut out = Vec::new();
        for (_, content) in self.pieces {
            nested::unfold(&content, &mut out);
            fits(&out, limits)?;
        }
        Ok(out)
    }

    /// The same, with how each piece is written again.
    pub(crate) fn target(
        self,
        file: &[u8],
        limits: &Limits,
    ) -> Result<(Vec<u8>, Vec<Written>), DeltaError> {
        let mut out = Vec::new();
        let mut written = Vec::with_capacity(self.pieces.len());
        for (piece, content) in self.pieces {
            let bytes = &file[piece.bytes.clone()];
            let encoding = member::find(piece.codec, &content, bytes, limits)
                .ok_or_else(|| DeltaError::Encoding(format!("at byte {}", piece.bytes.start)))?;
            let before = out.len();
            let folds = nested::unfold_exactly(&content, &mut out);
            fits(&out, limits)?;
            written.push(Written {
                plain: (out.len() - before) as u64,
                folds,
                encoding,
            });
        }
        Ok((out, written))
    }
}

fn fits(content: &[u8], limits: &Limits) -> Result<(), DeltaError> {
    if content.len() <= limits.plain_bytes {
        return Ok(());
    }
    Err(DeltaError::TooLarge {
        what: "the decompressed package",
        limit: limits.plain_bytes,
    })
}

/// Writes the file from its unfolded content; at most `new_bytes` bytes.
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
        let folded = nested::fold(now, &piece.folds, limits.plain_bytes)?;
        member::compress(&folded, piece.encoding, &mut out, limits)?;
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
