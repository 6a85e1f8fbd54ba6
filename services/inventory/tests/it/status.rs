//! Components from a dpkg status file, as an agent would report them.

use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::HashMap;

/// The installed packages of a status file.
pub(crate) fn components(text: &str) -> Vec<ComponentKey> {
    text.split("\n\n").filter_map(component).collect()
}

fn component(paragraph: &str) -> Option<ComponentKey> {
    let fields: HashMap<&str, &str> = paragraph
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    if !fields.get("Status")?.ends_with(" installed") {
        return None;
    }
    let (name, version) = (
        fields.get("Package")?.to_string(),
        fields.get("Version")?.to_string(),
    );
    let (source, source_version) = match fields.get("Source") {
        None => (name.clone(), version.clone()),
        Some(source) => match source.split_once(" (") {
            Some((source, version)) => {
                (source.to_owned(), version.trim_end_matches(')').to_owned())
            }
            None => ((*source).to_owned(), version.clone()),
        },
    };
    // A rebuild without a change of the source appends +b<n> to the binary version only.
    let source_version = match source_version.rsplit_once("+b") {
        Some((plain, n))
            if source_version == version
                && !n.is_empty()
                && n.bytes().all(|b| b.is_ascii_digit()) =>
        {
            plain.to_owned()
        }
        _ => source_version,
    };
    Some(ComponentKey {
        ecosystem: Ecosystem::Deb,
        distribution: "debian".into(),
        release: "bookworm".into(),
        arch: fields.get("Architecture")?.to_string(),
        name,
        version,
        source,
        source_version,
    })
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
