//! What a repository's table of contents says of its indices: Debian's `Release`, rpm-md's `repomd.xml`.
//!
//! A package manager takes an index only with the digest that the table names, so a cache that serves a table of today beside an
//! index of yesterday makes it fail. An index that the held table names is as good as one that is named by its hash: it need not be
//! asked for again. The table's signature is the package manager's to judge, not ours: what a table says decides only whether the
//! origin is asked.

use netpatch_types::Sha256;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::HashMap;

/// Longest table that is read, bytes; Debian's have 200 kB.
pub const MAX_TABLE_BYTES: u64 = 8 << 20;
/// Most indices of a table.
const MAX_LISTED: usize = 100_000;
const DEBIAN: [&str; 2] = ["InRelease", "Release"];
const RPM: &str = "repomd.xml";
/// The folder of rpm-md's metadata; locations are told from the folder above it.
const RPM_FOLDER: &str = "repodata";

/// Digests of indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// By path below the repository.
    digests: HashMap<String, Sha256>,
}

/// Whether a path is that of a table of contents.
#[must_use]
pub fn is_table(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    DEBIAN.contains(&name) || (name == RPM && is_rpm_folder(folder))
}

/// The table of contents that a detached signature is for: `Release` for `Release.gpg`, `repomd.xml` for `repomd.xml.asc`.
#[must_use]
pub fn signed_by(path: &str) -> Option<&str> {
    let table = path
        .strip_suffix(".gpg")
        .or_else(|| path.strip_suffix(".asc"))?;
    is_table(table).then_some(table)
}

/// Where the detached signature of a table of contents is.
#[must_use]
pub fn signature_of(table: &str) -> Option<String> {
    let end = if table.ends_with(RPM) { "asc" } else { "gpg" };
    let signature = format!("{table}.{end}");
    signed_by(&signature).is_some().then_some(signature)
}

/// Where a table may be that lists the index at a path, the nearest first. None for a table itself.
#[must_use]
pub fn tables_of(path: &str) -> Vec<String> {
    if is_table(path) {
        return Vec::new();
    }
    let mut tables = Vec::new();
    let mut folder = path;
    while !folder.is_empty() {
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        if is_rpm_folder(folder) {
            return vec![format!("{folder}/{RPM}")];
        }
        tables.extend(DEBIAN.map(|name| join(folder, name)));
    }
    tables
}

impl Contents {
    /// Reads the table at a path below the repository. What cannot be read lists nothing.
    #[must_use]
    pub fn read(path: &str, text: &str) -> Self {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let digests = if is_rpm_folder(folder) {
            let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
            rpm(text, above).unwrap_or_default()
        } else {
            debian(text, folder)
        };
        Self { digests }
    }

    /// What the index at a path below the repository is to be, if the table names it.
    #[must_use]
    pub fn digest(&self, path: &str) -> Option<Sha256> {
        self.digests.get(path).copied()
    }
}

fn is_rpm_folder(folder: &str) -> bool {
    folder == RPM_FOLDER || folder.ends_with("/repodata")
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The lines below `SHA256:`, each ` digest size path`, until a line that is not indented.
fn debian(text: &str, folder: &str) -> HashMap<String, Sha256> {
    let below = text
        .lines()
        .skip_while(|line| line.trim_end() != "SHA256:")
        .skip(1)
        .take_while(|line| line.starts_with(' '));
    below
        .take(MAX_LISTED)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let digest = words.next()?.parse().ok()?;
            let path = words.nth(1)?;
            Some((join(folder, path), digest))
        })
        .collect()
}

/// Each `<data>` with its `<checksum type="sha256">` and its `<location href>`. `None` when it is not XML.
fn rpm(text: &str, above: &str) -> Option<HashMap<String, Sha256>> {
    let mut reader = Reader::from_str(text);
    let mut digests = HashMap::new();
    let (mut digest, mut location) = (None, None);
    let mut is_digest = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => match start.name().as_ref() {
                b"data" => (digest, location) = (None, None),
                b"checksum" => is_digest = attribute(&start, "type").as_deref() == Some("sha256"),
                b"location" => location = attribute(&start, "href"),
                _ => {}
            },
            Event::Text(text) if is_digest => {
                digest = text.decode().ok().and_then(|text| text.trim().parse().ok());
                is_digest = false;
            }
            Event::End(end) if end.name().as_ref() == b"data" => {
                if let (Some(digest), Some(location)) = (digest.take(), location.take())
                    && digests.len() < MAX_LISTED
                {
                    digests.insert(join(above, &location), digest);
                }
            }
            Event::Eof => return Some(digests),
            _ => {}
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let value = start.try_get_attribute(name).ok()??;
    String::from_utf8(value.value.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sha(byte: u8) -> Sha256 {
        Sha256([byte; 32])
    }

    #[test]
    fn tables_are_looked_for_upwards() {
        assert_eq!(
            tables_of("dists/stable/Packages.gz"),
            [
                "dists/stable/InRelease",
                "dists/stable/Release",
                "dists/InRelease",
                "dists/Release",
                "InRelease",
                "Release"
            ]
        );
        assert_eq!(tables_of("Packages.gz"), ["InRelease", "Release"]);
        assert_eq!(
            tables_of("9/os/repodata/primary.xml.gz"),
            ["9/os/repodata/repomd.xml"]
        );
        assert!(tables_of("dists/stable/InRelease").is_empty());
        assert!(tables_of("9/os/repodata/repomd.xml").is_empty());
        assert!(is_table("repodata/repomd.xml") && !is_table("repomd.xml"));
    }

    #[test]
    fn a_detached_signature_is_told_by_its_name() {
        assert_eq!(signed_by("dists/x/Release.gpg"), Some("dists/x/Release"));
        assert_eq!(signed_by("Release.gpg"), Some("Release"));
        let asc = "9/os/repodata/repomd.xml.asc";
        assert_eq!(signed_by(asc), Some("9/os/repodata/repomd.xml"));
        for path in ["dists/x/Release.gpg", "Release.gpg", asc] {
            let back = signed_by(path).and_then(signature_of);
            assert_eq!(back.as_deref(), Some(path));
        }
        assert_eq!(signature_of("dists/x/Packages"), None);
        for path in [
            "dists/x/Release",
            "dists/x/Packages.gpg",
            "repodata/repomd.xml.key",
            ".gpg",
            "",
        ] {
            assert_eq!(signed_by(path), None, "{path}");
        }
    }

    #[test]
    fn a_release_lists_below_its_own_folder() {
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: x\nMD5Sum:\n 00 5 main/a\nSHA256:\n {} 5 main/a\n {} 70000 main/b.xz\nSHA512:\n {} 1 main/c\n",
            sha(1),
            sha(2),
            sha(3)
        );
        let contents = Contents::read("dists/stable/InRelease", &text);
        assert_eq!(contents.digest("dists/stable/main/a"), Some(sha(1)));
        assert_eq!(contents.digest("dists/stable/main/b.xz"), Some(sha(2)));
        assert_eq!(contents.digest("dists/stable/main/c"), None);
        assert_eq!(
            Contents::read("Release", &text).digest("main/a"),
            Some(sha(1))
        );
    }

    #[test]
    fn a_repomd_lists_from_the_folder_above() {
        let text = format!(
            "<?xml version=\"1.0\"?><repomd><revision>1</revision>\
             <data type=\"primary\"><checksum type=\"sha256\">{}</checksum><open-checksum type=\"sha256\">{}</open-checksum>\
             <location href=\"repodata/primary.xml.gz\"/></data>\
             <data type=\"other\"><checksum type=\"sha1\">ab</checksum><location href=\"repodata/other.xml.gz\"/></data></repomd>",
            sha(1),
            sha(2)
        );
        let contents = Contents::read("9/os/repodata/repomd.xml", &text);
        let digest = contents.digest("9/os/repodata/primary.xml.gz");
        assert_eq!(digest, Some(sha(1)));
        assert_eq!(contents.digest("9/os/repodata/other.xml.gz"), None);
        let contents = Contents::read("repodata/repomd.xml", &text);
        assert_eq!(contents.digest("repodata/primary.xml.gz"), Some(sha(1)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_lists_nothing(path in "[a-zA-Z/.]{0,30}", text in "\\PC{0,200}") {
            for path in [path.as_str(), "repodata/repomd.xml", "dists/x/Release"] {
                let _ = (Contents::read(path, &text), tables_of(path));
            }
            let listed = format!("SHA256:\n {text} 1 a\n");
            prop_assert!(Contents::read("Release", &listed).digests.len() <= 1 + text.lines().count());
        }
    }
}
