//! What the Go linker writes into every program: the compiler's version and the modules (package `debug/buildinfo`).
//!
//! The compiler brings the standard library along, which has advisories of its own: module `stdlib`, as the Go vulnerability
//! database names it.

use super::elf::Elf;
use crate::provider::one_version;
use netpatch_types::{ComponentKey, Ecosystem};

const MAGIC: &[u8] = b"\xff Go buildinf:";
/// The header before the texts.
const HEADER_BYTES: usize = 32;
/// Where the header lies when no section is named after it: near the beginning of the data, on a multiple of this.
const ALIGNMENT: usize = 16;
const SEARCHED_BYTES: u64 = 64 << 10;
/// Longest text, bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// Most modules of a program.
const MAX_MODULES: usize = 5_000;

/// The modules of a Go program; none when it is no Go program.
pub(super) fn packages(elf: &Elf) -> Vec<ComponentKey> {
    let Some((compiler, modules)) = texts(elf) else {
        return Vec::new();
    };
    let library = compiler
        .strip_prefix("go")
        .and_then(|version| version.split_whitespace().next())
        .and_then(|version| one_version(Ecosystem::Golang, "stdlib", version));
    library.into_iter().chain(read(&modules)).collect()
}

/// The compiler's version and the modules as text.
fn texts(elf: &Elf) -> Option<(String, String)> {
    let (offset, header) = header(elf)?;
    let flags = *header.get(15)?;
    let (compiler, modules) = if flags & 2 != 0 {
        let rest = elf.behind(offset + HEADER_BYTES as u64, 2 * MAX_TEXT_BYTES)?;
        let (compiler, rest) = short_text(&rest)?;
        (compiler.to_vec(), short_text(rest)?.0.to_vec())
    } else {
        // Before Go 1.18: addresses of two strings.
        let width = usize::from(*header.get(14)?);
        let is_big = flags & 1 != 0;
        let text = |at: usize| {
            pointed(
                elf,
                number(header.get(at..at + width)?, is_big)?,
                width,
                is_big,
            )
        };
        (text(16)?, text(16 + width)?)
    };
    let modules = match modules.len() {
        // Marks of 16 bytes stand around the text.
        33.. if modules[modules.len() - 17] == b'\n' => modules[16..modules.len() - 16].to_vec(),
        _ => Vec::new(),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some((text(compiler), text(modules)))
}

fn header(elf: &Elf) -> Option<(u64, Vec<u8>)> {
    let named = elf.section(".go.buildinfo").and_then(|(offset, _)| {
        let bytes = elf.part(offset, HEADER_BYTES as u64)?;
        bytes.starts_with(MAGIC).then_some((offset, bytes))
    });
    named.or_else(|| {
        elf.data().find_map(|(offset, size)| {
            let bytes = elf.part(offset, size.min(SEARCHED_BYTES))?;
            let at = (0..bytes.len())
                .step_by(ALIGNMENT)
                .find(|at| bytes[*at..].starts_with(MAGIC))?;
            let header = bytes.get(at..at + HEADER_BYTES)?.to_vec();
            Some((offset + at as u64, header))
        })
    })
}

/// A length in groups of seven bits, then so many bytes.
fn short_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut at) = (0_u64, 0);
    loop {
        let byte = *bytes.get(at)?;
        if at > 8 {
            return None;
        }
        length |= u64::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > MAX_TEXT_BYTES {
        return None;
    }
    bytes
        .get(at..)?
        .split_at_checked(usize::try_from(length).ok()?)
}

/// The string whose header lies at an address.
fn pointed(elf: &Elf, address: u64, width: usize, is_big: bool) -> Option<Vec<u8>> {
    let header = elf.at_address(address, 2 * width as u64)?;
    let (data, length) = header.split_at_checked(width)?;
    let (data, length) = (number(data, is_big)?, number(length, is_big)?);
    if length > MAX_TEXT_BYTES {
        return None;
    }
    elf.at_address(data, length)
}

fn number(bytes: &[u8], is_big: bool) -> Option<u64> {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match bytes.len() {
        4 | 8 if is_big => Some(bytes.iter().fold(0, add)),
        4 | 8 => Some(bytes.iter().rev().fold(0, add)),
        _ => None,
    }
}

/// `mod`, `dep` and what replaces the one before, `=>`: path and version, separated by tabs.
fn read(text: &str) -> Vec<ComponentKey> {
    let mut modules: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        let mut columns = line.split('\t');
        let kind = columns.next().unwrap_or_default();
        let module = (
            columns.next().unwrap_or_default(),
            columns.next().unwrap_or_default(),
        );
        match kind {
            "mod" | "dep" if modules.len() < MAX_MODULES => modules.push(module),
            "=>" => {
                modules.pop();
                modules.push(module);
            }
            _ => {}
        }
    }
    modules
        .into_iter()
        // What was built from a working folder has no version: `(devel)`.
        .filter(|(_, version)| version.starts_with('v'))
        .filter_map(|(path, version)| one_version(Ecosystem::Golang, path, version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_read_and_replaced() {
        let text = "path\texample.org/cmd\nmod\texample.org/cmd\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:abc=\ndep\ta\tv1.0.0\n=>\tb\tv2.0.0\th1:x=\nbuild\t-compiler=gc\nmod\n=>\n";
        let all: Vec<String> = read(text).iter().map(ComponentKey::purl).collect();
        assert_eq!(
            all,
            ["pkg:golang/golang.org/x/net@v0.1.0", "pkg:golang/b@v2.0.0"]
        );
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(
            short_text(&[2, b'a', b'b', b'c']),
            Some((&b"ab"[..], &b"c"[..]))
        );
        assert_eq!(short_text(&[0x80, 0x01]), None);
        for odd in [&[][..], &[0xff; 20], &[5, 1], &[0xff, 0xff, 0xff, 0x7f]] {
            assert_eq!(short_text(odd), None);
        }
    }
}
