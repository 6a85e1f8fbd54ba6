//! From the bytes that a source sent to the file that a pack has of the feed: unpacked (gzip, zip, zstd), made one record a line where a
//! pack has lines, and packed again. The same bytes give the same file.

use crate::pack::{FileSet, MAX_FILE_BYTES};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

/// Level of zstd: as good as it gets in a second or two.
const LEVEL: i32 = 12;
/// Most members of a zip. OSV's largest has some 220,000.
const MAX_MEMBERS: usize = 1_000_000;

/// The path of what an address has of a feed, or why nothing has. Feeds of many files (a month's, a year's) have the address's own name in it.
pub(super) fn path_of(feed: &str, url: &str) -> Result<String, String> {
    let path = match feed {
        "kev" => "enrich/kev-fetched.json".to_owned(),
        "epss" => "enrich/epss-fetched.csv".to_owned(),
        "cvss" => "enrich/cvss.csv".to_owned(),
        "ssvc" => "enrich/ssvc-fetched.jsonl".to_owned(),
        "msrc" => format!("microsoft/cvrfDocument-{}.xml", stem(url)),
        "nvd" => format!("nvd/{}.json", stem(url)),
        "almalinux" => "almalinux/advisories.osv.jsonl".to_owned(),
        "pypi" => "pypi/pypa-fetched.osv.jsonl".to_owned(),
        "crates" => "crates/rustsec-fetched.jsonl".to_owned(),
        _ => match feed.split_once('-') {
            Some((folder @ ("osv" | "csaf"), name)) => format!("{folder}/{name}.jsonl"),
            _ => String::new(),
        },
    };
    if crate::pack::feed_of(&path).as_deref() == Some(feed) {
        Ok(path)
    } else {
        Err(format!(
            "feed source {feed:?}: no feed of this name comes from one address; known are kev, epss, cvss, ssvc, msrc, nvd, almalinux, \
             pypi, crates, osv-NAME, csaf-NAME"
        ))
    }
}

/// The last part of an address without its ending: `2026-Mar`, `nvdcve-20-2026`.
fn stem(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut name = path.rsplit('/').next().unwrap_or_default();
    for end in [".gz", ".zst", ".zip", ".json", ".xml"] {
        name = name.strip_suffix(end).unwrap_or(name);
    }
    let kept = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    let name: String = kept.take(60).collect();
    if name.is_empty() {
        "fetched".to_owned()
    } else {
        name
    }
}

/// The feed's files.
pub(crate) fn unpack(feed: &str, url: &str, bytes: Vec<u8>) -> Result<FileSet, String> {
    let path = path_of(feed, url)?;
    let text = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => limited(flate2::read::MultiGzDecoder::new(bytes.as_slice()), "gzip")?,
        [b'P', b'K', 3 | 5, ..] => members(&bytes)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::stream::read::Decoder::new(bytes.as_slice())
                .map_err(|error| format!("not zstd: {error}"))?;
            decoder
                .window_log_max(27)
                .map_err(|error| format!("not zstd: {error}"))?;
            limited(decoder, "zstd")?
        }
        _ => bytes,
    };
    let text = if path.ends_with(".jsonl") {
        lines(text)?
    } else {
        text
    };
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)
        .map_err(|error| format!("packing failed: {error}"))?;
    let done = packed.write_all(&text).and_then(|()| packed.finish());
    let packed = done.map_err(|error| format!("packing failed: {error}"))?;
    Ok(BTreeMap::from([(format!("{path}.zst"), packed.into())]))
}

/// Unpacks up to the limit of a file.
fn limited(from: impl Read, what: &str) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    from.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut all)
        .map_err(|error| format!("damaged {what}: {error}"))?;
    if u64::try_from(all.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(format!("unpacks to more than {MAX_FILE_BYTES} bytes"));
    }
    Ok(all)
}

/// The JSON files of a zip (OSV's `all.zip`, a repository's archive), one a line, by name.
fn members(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let damaged = |error: zip::result::ZipError| format!("damaged zip: {error}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("a zip of more than {MAX_MEMBERS} members"));
    }
    let mut names: Vec<String> = archive
        .file_names()
        .filter_map(Result::ok)
        .filter(|name| name.ends_with(".json"))
        .map(|name| name.into_owned())
        .collect();
    names.sort();
    let mut all = Vec::new();
    for name in names {
        let member = archive.by_name(&name).map_err(damaged)?;
        let left = MAX_FILE_BYTES.saturating_sub(u64::try_from(all.len()).unwrap_or(u64::MAX));
        let before = all.len();
        member
            .take(left + 1)
            .read_to_end(&mut all)
            .map_err(|error| format!("damaged zip: {error}"))?;
        if u64::try_from(all.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
            return Err(format!("unpacks to more than {MAX_FILE_BYTES} bytes"));
        }
        // Line ends inside JSON are blanks.
        for byte in &mut all[before..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        all.push(b'\n');
    }
    Ok(all)
}

/// One record a line: what is one document, or a list of them, is made so; lines stay as they are.
fn lines(text: Vec<u8>) -> Result<Vec<u8>, String> {
    let start = text.iter().find(|byte| !byte.is_ascii_whitespace());
    let line_end = text.iter().position(|byte| *byte == b'\n');
    let first = &text[..line_end.unwrap_or(text.len())];
    let is_lines = serde_json::from_slice::<serde::de::IgnoredAny>(first).is_ok();
    match start {
        None => Err("empty".to_owned()),
        Some(b'[') => {
            let all: Vec<serde_json::Value> = serde_json::from_slice(&text)
                .map_err(|error| format!("not a list of records: {error}"))?;
            let mut out = Vec::new();
            for one in all {
                out.extend(one.to_string().into_bytes());
                out.push(b'\n');
            }
            Ok(out)
        }
        Some(b'{') if is_lines => Ok(text),
        Some(b'{') => {
            let one: serde_json::Value = serde_json::from_slice(&text)
                .map_err(|error| format!("neither lines nor one document: {error}"))?;
            Ok(format!("{one}\n").into_bytes())
        }
        Some(_) => Err("neither lines of records nor a list of them".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(feed: &str, bytes: &[u8]) -> Result<(String, String), String> {
        let files = unpack(feed, "https://feeds.example/x", bytes.to_vec())?;
        let (path, packed) = files.first_key_value().expect("one file");
        let text = zstd::stream::decode_all(&packed[..]).expect("zstd");
        Ok((path.clone(), String::from_utf8(text).expect("text")))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zip(members: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (name, text) in members {
            writer.start_file(*name, options).expect("memory");
            writer.write_all(text.as_bytes()).expect("memory");
        }
        writer.finish().expect("memory").into_inner()
    }

    #[test]
    fn every_packing_becomes_the_packs_file() {
        let kev = r#"{"vulnerabilities":[]}"#;
        let expected = ("enrich/kev-fetched.json.zst".to_owned(), kev.to_owned());
        let zst = zstd::stream::encode_all(kev.as_bytes(), 3).expect("memory");
        for packed in [kev.as_bytes(), &gzip(kev.as_bytes()), &zst] {
            assert_eq!(unpacked("kev", packed), Ok(expected.clone()));
        }
        let all = zip(&[
            ("b.json", "{\n\"id\":2}"),
            ("a.json", "{\"id\":1}"),
            ("README", "x"),
        ]);
        assert_eq!(
            unpacked("osv-debian", &all),
            Ok((
                "osv/debian.jsonl.zst".to_owned(),
                "{\"id\":1}\n{ \"id\":2}\n".to_owned()
            ))
        );
        for (text, lines) in [
            ("[{\"a\":1},{\"b\":2}]", "{\"a\":1}\n{\"b\":2}\n"),
            ("{\n\"a\":\n1}", "{\"a\":1}\n"),
            ("{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"),
        ] {
            assert_eq!(
                unpacked("csaf-suse", text.as_bytes()).expect("lines").1,
                lines
            );
        }
    }

    #[test]
    fn a_months_file_has_the_months_name() {
        for (feed, url, path) in [
            (
                "msrc",
                "https://feeds.example/cvrf/2026-Mar?x=/y",
                "microsoft/cvrfDocument-2026-Mar.xml",
            ),
            (
                "nvd",
                "https://feeds.example/nvdcve-2.0-2026.json.gz",
                "nvd/nvdcve-20-2026.json",
            ),
            ("nvd", "https://feeds.example/../", "nvd/fetched.json"),
            (
                "kev",
                "https://feeds.example/x.json",
                "enrich/kev-fetched.json",
            ),
        ] {
            assert_eq!(path_of(feed, url).as_deref(), Ok(path), "{url}");
        }
    }

    #[test]
    fn bombs_and_torn_files_are_refused() {
        let zeros = vec![0; usize::try_from(MAX_FILE_BYTES).expect("fits") + 1];
        let bomb = gzip(&zeros);
        let of_zstd = zstd::stream::encode_all(zeros.as_slice(), 1).expect("memory");
        for bomb in [bomb.as_slice(), &of_zstd] {
            let refused = unpacked("kev", bomb).expect_err("a bomb");
            assert!(refused.contains("unpacks to more than"), "{refused}");
        }
        let whole = gzip(b"{\"vulnerabilities\":[]}");
        let all = zip(&[("a.json", "{\"id\":1}")]);
        for torn in [
            &whole[..whole.len() - 9],
            &all[..all.len() / 2],
            &of_zstd[..9],
        ] {
            assert!(unpacked("kev", torn).is_err());
        }
        for odd in ["", "   ", "<html>", "[1", "{\"a\":"] {
            assert!(unpacked("ssvc", odd.as_bytes()).is_err(), "{odd:?}");
        }
        assert!(unpacked("debian-bookworm", b"{}").is_err());
    }
}
