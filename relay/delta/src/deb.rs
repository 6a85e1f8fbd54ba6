//! A Debian binary package: an ar archive (deb(5)).

use crate::DeltaError;
use crate::layout::{Codec, Piece};

const MAGIC: &[u8] = b"!<arch>\n";
/// Name 16, time 12, owner 6, group 6, mode 8, size 10, end 2.
const HEADER: usize = 60;
/// A package has three members; some tools add signatures.
const MAX_MEMBERS: usize = 32;

pub(crate) fn is_deb(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// Headers and padding stand as they are, members by their name's ending.
pub(crate) fn pieces(file: &[u8]) -> Result<Vec<Piece>, DeltaError> {
    let mut out: Vec<Piece> = Vec::new();
    let mut literal = 0;
    let mut position = MAGIC.len();
    for _ in 0..MAX_MEMBERS {
        if position == file.len() {
            if literal < position {
                out.push(plain(literal, position));
            }
            return Ok(out);
        }
        let data = position + HEADER;
        let header = file.get(position..data).ok_or_else(|| broken("header"))?;
        let size = size(header).ok_or_else(|| broken("size of a member"))?;
        let end = data
            .checked_add(size)
            .filter(|end| *end <= file.len())
            .ok_or_else(|| broken("member longer than the file"))?;
        let name = String::from_utf8_lossy(&header[..16]).into_owned();
        let codec = match name.trim_end().trim_end_matches('/').rsplit('.').next() {
            Some("xz") => Codec::Xz,
            Some("zst") => Codec::Zstd,
            _ => Codec::Plain,
        };
        if codec != Codec::Plain {
            out.push(plain(literal, data));
            out.push(Piece {
                bytes: data..end,
                codec,
            });
            literal = end;
        }
        // Members begin at even bytes.
        position = (end + size % 2).min(file.len());
    }
    Err(broken("more members than a package has"))
}

fn plain(from: usize, to: usize) -> Piece {
    Piece {
        bytes: from..to,
        codec: Codec::Plain,
    }
}

fn size(header: &[u8]) -> Option<usize> {
    if header.get(58..60) != Some(b"`\n") {
        return None;
    }
    let text = std::str::from_utf8(header.get(48..58)?).ok()?;
    text.trim_end().parse().ok()
}

fn broken(what: &str) -> DeltaError {
    DeltaError::Layout(format!("ar archive: {what}"))
}
