//! Zstandard (RFC 8878), as dpkg of Ubuntu and rpm write it with libzstd.
//!
//! Encoders of different versions of libzstd give different bytes, so members are found only where ours is close enough to theirs.

use std::io::{self, Read, Write};

/// A decoder takes at most a window of 2^27 bytes, as the format recommends at least 8 MiB and `--ultra -22` has 128.
const WINDOW_LOG: u32 = 27;

/// How libzstd was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// 1–22.
    pub(crate) level: i32,
    /// Whether the frame ends with a checksum.
    pub(crate) checksum: bool,
    /// Whether the frame's header names the length.
    pub(crate) sized: bool,
}

pub(crate) fn reader(bytes: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

/// Settings that could have given these bytes, the usual ones first.
pub(crate) fn candidates(bytes: &[u8]) -> impl Iterator<Item = Settings> + use<> {
    let descriptor = bytes.get(4).copied();
    [19, 3, 9, 20, 22, 10, 15]
        .into_iter()
        .filter_map(move |level| {
            let descriptor = descriptor?;
            // RFC 8878, 3.1.1.1.1: content size flag or single segment, checksum flag.
            Some(Settings {
                level,
                checksum: descriptor & 0x04 != 0,
                sized: descriptor & 0xe0 != 0,
            })
        })
}

pub(crate) fn write(plain: &[u8], settings: Settings, out: &mut impl Write) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(out, settings.level.clamp(1, 22))?;
    encoder.include_checksum(settings.checksum)?;
    encoder.include_contentsize(settings.sized)?;
    if settings.sized {
        encoder.set_pledged_src_size(Some(plain.len() as u64))?;
    }
    encoder.write_all(plain)?;
    encoder.finish()?;
    Ok(())
}
