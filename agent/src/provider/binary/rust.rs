//! What cargo-auditable writes into Rust programs: the crates that were linked, as compressed JSON in the section `.dep-v0`.

use super::elf::Elf;
use crate::provider::one_version;
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use netpatch_types::{ComponentKey, Ecosystem};
use serde::Deserialize;

/// Longest list, unpacked.
const MAX_LIST_BYTES: usize = 8 << 20;
/// Most crates of a program.
const MAX_CRATES: usize = 10_000;

#[derive(Deserialize)]
struct List {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    kind: Option<String>,
}

/// The crates of a Rust program; none when it does not say.
pub(super) fn packages(elf: &Elf) -> Vec<ComponentKey> {
    let packed = elf
        .section(".dep-v0")
        .and_then(|(offset, size)| elf.part(offset, size));
    packed.map(|packed| read(&packed)).unwrap_or_default()
}

fn read(packed: &[u8]) -> Vec<ComponentKey> {
    let list = decompress_to_vec_zlib_with_limit(packed, MAX_LIST_BYTES).ok();
    let list = list.and_then(|json| serde_json::from_slice::<List>(&json).ok());
    let packages = list.map(|list| list.packages).unwrap_or_default();
    packages
        .into_iter()
        .take(MAX_CRATES)
        // What only ran while it was built is not in it; a name means something on crates.io only.
        .filter(|package| package.source == "crates.io")
        .filter(|package| package.kind.as_deref() != Some("build"))
        .filter_map(|package| one_version(Ecosystem::Cargo, &package.name, &package.version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;

    #[test]
    fn crates_that_are_inside_are_read_and_bombs_are_not() {
        let list = r#"{"packages":[{"name":"np","version":"0.1.0","source":"local","root":true},
            {"name":"rand","version":"0.7.2","source":"crates.io"},
            {"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}],"format":3}"#;
        let packed = compress_to_vec_zlib(list.as_bytes(), 6);
        let all: Vec<String> = read(&packed).iter().map(ComponentKey::purl).collect();
        assert_eq!(all, ["pkg:cargo/rand@0.7.2"]);
        for end in 0..packed.len() {
            assert!(read(&packed[..end]).is_empty());
        }
        let bomb = compress_to_vec_zlib(&vec![b' '; MAX_LIST_BYTES + 1], 9);
        assert!(bomb.len() < 20_000 && read(&bomb).is_empty());
        for odd in [
            &b""[..],
            b"{}",
            &compress_to_vec_zlib(b"{\"packages\":{}}", 1),
        ] {
            assert!(read(odd).is_empty());
        }
    }
}
