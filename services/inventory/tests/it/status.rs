//! Components from a dpkg status file, as an agent would report them.

use netpatch_inventory::domain::dpkg::StatusReader;
use netpatch_inventory::pack;
use netpatch_types::ComponentKey;

/// The installed packages of a status file.
pub(crate) fn components(text: &str) -> Vec<ComponentKey> {
    let mut reader = StatusReader::new(pack::release());
    let mut all: Vec<_> = text
        .lines()
        .filter_map(|line| reader.line(Some(line.as_bytes())))
        .collect();
    all.extend(reader.finish());
    all.into_iter()
        .filter_map(|one| one.expect("a good paragraph"))
        .collect()
}
/// A fixture of `tests/data/hosts`, unpacked.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/data/hosts/{name}.zst", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).expect("fixture");
    String::from_utf8(zstd::stream::decode_all(bytes.as_slice()).expect("zstd")).expect("text")
}

/// The folder of the bundled pack.
pub(crate) fn pack_dir() -> String {
    format!("{}/data/pack", env!("CARGO_MANIFEST_DIR"))
}
