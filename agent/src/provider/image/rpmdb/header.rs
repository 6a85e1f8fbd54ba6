//! An rpm header (rpm's `docs/manual/hregions.md`, `format.md`): a count of entries, a count of bytes, entries of 16 bytes, data.
//! Numbers are big-endian.

use super::Package;

/// Most entries of a header.
const MAX_ENTRIES: usize = 65_536;
/// Longest text.
const MAX_TEXT_BYTES: usize = 4_096;

const NAME: u32 = 1_000;
const VERSION: u32 = 1_001;
const RELEASE: u32 = 1_002;
const EPOCH: u32 = 1_003;
const ARCH: u32 = 1_022;
const SOURCE_RPM: u32 = 1_044;

/// The package of a header; `None` when there is none in it.
pub(super) fn package(blob: &[u8]) -> Option<Package> {
    let count = usize::try_from(number(blob, 0)?).ok()?;
    if count > MAX_ENTRIES {
        return None;
    }
    let entries = blob.get(8..8 + count * 16)?;
    let data = blob.get(8 + count * 16..)?;
    let entry = |wanted: u32| {
        let entry = entries
            .chunks_exact(16)
            .find(|entry| number(entry, 0) == Some(wanted))?;
        let offset = usize::try_from(number(entry, 8)?).ok()?;
        Some((number(entry, 4)?, data.get(offset..)?))
    };
    let text = |tag: u32| -> Option<String> {
        let (kind, rest) = entry(tag)?;
        let end = rest
            .iter()
            .take(MAX_TEXT_BYTES)
            .position(|byte| *byte == 0)?;
        // STRING, STRING_ARRAY, I18NSTRING
        let is_text = matches!(kind, 6 | 8 | 9);
        is_text.then(|| String::from_utf8_lossy(&rest[..end]).into_owned())
    };
    let name = text(NAME)?;
    let plain = format!("{}-{}", text(VERSION)?, text(RELEASE)?);
    let epoch = entry(EPOCH)
        .filter(|(kind, _)| *kind == 4)
        .and_then(|(_, rest)| number(rest, 0));
    let source = text(SOURCE_RPM);
    Some(Package {
        version: epoch.map_or_else(|| plain.clone(), |epoch| format!("{epoch}:{plain}")),
        arch: text(ARCH).unwrap_or_default(),
        source: source
            .as_deref()
            .and_then(source_name)
            .unwrap_or(&name)
            .to_owned(),
        name,
    })
}

/// `bash` of `bash-5.1.8-6.el9.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".src.rpm")?;
    let (rest, _release) = stem.rsplit_once('-')?;
    let (name, _version) = rest.rsplit_once('-')?;
    Some(name).filter(|name| !name.is_empty())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}
