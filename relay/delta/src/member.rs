//! Compressed members: what is in them, and which encoder with which settings gives their very bytes.

mod xz;
mod zstandard;

use crate::layout::Codec;
use crate::{DeltaError, Limits};
use std::io::{self, Read, Write};

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// They stand as they are.
    Plain,
    /// liblzma's .xz.
    Xz(xz::Settings),
    /// libzstd's frame.
    Zstd(zstandard::Settings),
}

pub(crate) use xz::Settings as XzSettings;
pub(crate) use zstandard::Settings as ZstdSettings;

/// What a member contains, at most `limit` bytes.
pub(crate) fn decompress(bytes: &[u8], codec: Codec, limit: usize) -> Result<Vec<u8>, DeltaError> {
    let mut out = Vec::new();
    let most = limit as u64 + 1;
    let read = match codec {
        Codec::Plain => bytes.take(most).read_to_end(&mut out),
        Codec::Xz => xz::reader(bytes)?.take(most).read_to_end(&mut out),
        Codec::Zstd => zstandard::reader(bytes)?.take(most).read_to_end(&mut out),
    };
    read.map_err(|error| DeltaError::Layout(format!("compressed member: {error}")))?;
    if out.len() > limit {
        return Err(DeltaError::TooLarge {
            what: "the decompressed package",
            limit,
        });
    }
    Ok(out)
}

/// The settings that give exactly these bytes, if any known ones do.
pub(crate) fn find(codec: Codec, plain: &[u8], bytes: &[u8], limits: &Limits) -> Option<Encoding> {
    match codec {
        Codec::Plain => Some(Encoding::Plain),
        Codec::Xz => xz::candidates(bytes)
            .map(Encoding::Xz)
            .find(|encoding| gives(plain, *encoding, bytes, limits)),
        Codec::Zstd => zstandard::candidates(bytes)
            .map(Encoding::Zstd)
            .find(|encoding| gives(plain, *encoding, bytes, limits)),
    }
}

fn gives(plain: &[u8], encoding: Encoding, expected: &[u8], limits: &Limits) -> bool {
    let mut same = Same { rest: expected };
    write(plain, encoding, &mut same, limits).is_ok() && same.rest.is_empty()
}

/// Appends the bytes, compressed.
pub(crate) fn compress(
    plain: &[u8],
    encoding: Encoding,
    out: &mut Vec<u8>,
    limits: &Limits,
) -> Result<(), DeltaError> {
    Ok(write(plain, encoding, out, limits)?)
}

fn write(
    plain: &[u8],
    encoding: Encoding,
    out: &mut impl Write,
    limits: &Limits,
) -> io::Result<()> {
    match encoding {
        Encoding::Plain => out.write_all(plain),
        Encoding::Xz(settings) => xz::write(plain, settings, out, limits.threads),
        Encoding::Zstd(settings) => zstandard::write(plain, settings, out),
    }
}

/// Takes bytes as long as they are the expected ones, so that a wrong encoder is given up at its first wrong byte.
struct Same<'a> {
    rest: &'a [u8],
}

impl Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.rest.strip_prefix(bytes) {
            Some(rest) => {
                self.rest = rest;
                Ok(bytes.len())
            }
            None => Err(io::Error::other("other bytes")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
