//! dpkg's status file, a line at a time: the installed packages with their sources. A broken paragraph is told and skipped; only the
//! six fields that matter are looked at, so a description may hold any bytes.

use crate::domain::affected::Release;
use netpatch_types::ComponentKey;

/// Longest line of a status file, bytes; a paragraph with a longer one is skipped.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Longest field that is kept, bytes.
const MAX_FIELD_BYTES: usize = 512;

/// A paragraph that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BrokenParagraph {
    /// Where the paragraph begins, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// One installed package, `None` for one that is not, or what is wrong with the paragraph.
pub type Paragraph = Result<Option<ComponentKey>, BrokenParagraph>;

const FIELDS: [&str; 5] = ["Package", "Status", "Version", "Architecture", "Source"];

/// Reads a status file of a release.
#[derive(Clone, Debug)]
pub struct StatusReader {
    release: Release,
    line: u64,
    begins: u64,
    values: [Option<String>; 5],
    broken: Option<String>,
    is_open: bool,
}

impl StatusReader {
    /// For a status file of this release.
    #[must_use]
    pub fn new(release: Release) -> Self {
        Self {
            release,
            line: 0,
            begins: 1,
            values: Default::default(),
            broken: None,
            is_open: false,
        }
    }

    /// Takes a line without its end; `None` for one that was too long to read. The paragraph that it ends, if it ends one.
    pub fn line(&mut self, line: Option<&[u8]>) -> Option<Paragraph> {
        self.line += 1;
        let Some(line) = line else {
            self.open();
            self.broken
                .get_or_insert_with(|| format!("a line has more than {MAX_LINE_BYTES} bytes"));
            return None;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return self.finish();
        }
        self.open();
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            self.field(line);
        }
        None
    }

    fn open(&mut self) {
        if !self.is_open {
            self.is_open = true;
            self.begins = self.line;
        }
    }

    fn field(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            self.broken
                .get_or_insert_with(|| "a line is neither a field nor goes on with one".to_owned());
            return;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let Some(number) = FIELDS
            .iter()
            .position(|field| name.eq_ignore_ascii_case(field.as_bytes()))
        else {
            return;
        };
        let name = FIELDS[number];
        match std::str::from_utf8(value).map(str::trim) {
            Ok(text) if text.len() > MAX_FIELD_BYTES || text.chars().any(char::is_control) => {
                self.broken.get_or_insert_with(|| {
                    format!("{name} is too long or holds a control character")
                });
            }
            Ok(text) if self.values[number].is_none() => {
                self.values[number] = Some(text.to_owned());
            }
            Ok(_) => {
                self.broken
                    .get_or_insert_with(|| format!("{name} is there twice"));
            }
            Err(_) => {
                self.broken
                    .get_or_insert_with(|| format!("{name} is not UTF-8"));
            }
        }
    }

    /// Ends the last paragraph.
    pub fn finish(&mut self) -> Option<Paragraph> {
        if !std::mem::take(&mut self.is_open) {
            return None;
        }
        let line = self.begins;
        let values = std::mem::take(&mut self.values);
        let paragraph = match self.broken.take() {
            Some(reason) => Err(reason),
            None => component(&self.release, values),
        };
        Some(paragraph.map_err(|reason| BrokenParagraph { line, reason }))
    }
}

fn component(
    release: &Release,
    [name, status, version, arch, source]: [Option<String>; 5],
) -> Result<Option<ComponentKey>, String> {
    let named = |value: Option<String>, field: &str| {
        value
            .filter(|text| !text.is_empty())
            .ok_or_else(|| format!("{field} is absent"))
    };
    let name = named(name, "Package")?;
    // A package that only left its configuration or its name is not on the disk.
    let status = named(status, "Status")?;
    let state = status.split_whitespace().nth(2).unwrap_or_default();
    if matches!(state, "not-installed" | "config-files") {
        return Ok(None);
    }
    if state.is_empty() {
        return Err(format!("Status of {name} has no state"));
    }
    let version = named(version, "Version")?;
    let arch = named(arch, "Architecture")?;
    let (source, source_version) = match source.filter(|text| !text.is_empty()) {
        None => (name.clone(), None),
        Some(text) => match text.split_once('(') {
            Some((source, version)) => (
                source.trim().to_owned(),
                Some(version.trim_end_matches(')').trim().to_owned()),
            ),
            None => (text, None),
        },
    };
    if [&name, &version, &arch, &source]
        .iter()
        .any(|text| text.is_empty() || text.contains(char::is_whitespace))
    {
        return Err(format!("a field of {name} holds white space"));
    }
    let source_version = source_version.unwrap_or_else(|| source_version_of(&version).to_owned());
    Ok(Some(ComponentKey {
        ecosystem: release.ecosystem,
        distribution: release.distribution.clone(),
        release: release.codename.clone(),
        name,
        version,
        arch,
        source,
        source_version,
    }))
}

/// A rebuild without a change of the source appends `+b<n>` to the binary version only.
fn source_version_of(version: &str) -> &str {
    match version.rsplit_once("+b") {
        Some((plain, n)) if !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()) => plain,
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_types::Ecosystem;

    fn read(text: &[u8]) -> Vec<Paragraph> {
        let mut reader = StatusReader::new(Release::os(Ecosystem::Deb, "debian", "bookworm"));
        let mut all: Vec<Paragraph> = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| reader.line(Some(line)))
            .collect();
        all.extend(reader.finish());
        all
    }

    fn found(text: &[u8]) -> Vec<(String, String, String)> {
        read(text)
            .into_iter()
            .filter_map(|one| one.ok().flatten())
            .map(|one| (one.name, one.source, one.source_version))
            .collect()
    }

    #[test]
    fn installed_packages_have_their_source() {
        let text = b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1-1+b2\n\n\
            Package: b\nStatus: hold ok half-configured\nArchitecture: all\nSource: s (2-1)\nVersion: 2-1+b1\nDescription: \xff\n more\n\n\
            Package: c\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 3\n\n\n\
            Package: d\nStatus: install ok installed\nArchitecture: all\nSource: t\nVersion: 4";
        let row = |name: &str, source: &str, version: &str| {
            (name.to_owned(), source.to_owned(), version.to_owned())
        };
        assert_eq!(
            found(text),
            [
                row("a", "a", "1-1"),
                row("b", "s", "2-1"),
                row("d", "t", "4")
            ]
        );
    }

    #[test]
    fn a_broken_paragraph_is_told_and_the_next_one_read() {
        let good = "Package: z\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";
        for (broken, reason) in [
            (
                "Package: a\nStatus: install ok installed\nArchitecture: all\n",
                "Version is absent",
            ),
            ("Version: 1\n", "Package is absent"),
            ("Package: a\nno field\n", "a line is neither"),
            ("Package: a\nPackage: b\n", "Package is there twice"),
            ("Package: a\nStatus: x\n", "has no state"),
            (
                "Package: a b\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n",
                "white space",
            ),
        ] {
            let text = format!("\n{broken}\n{good}");
            let all = read(text.as_bytes());
            let error = all[0].clone().expect_err(broken);
            assert!(error.reason.contains(reason), "{error}");
            assert_eq!(error.line, 2);
            assert!(matches!(&all[1], Ok(Some(one)) if one.name == "z"));
        }
        assert!(read(b"Package: \xff\n")[0].is_err());
        let long = format!("Package: a\nVersion: {}\n", "1".repeat(MAX_FIELD_BYTES + 1));
        assert!(read(long.as_bytes())[0].is_err());
    }

    #[test]
    fn a_line_that_was_too_long_breaks_its_paragraph_only() {
        let mut reader = StatusReader::new(Release::os(Ecosystem::Deb, "debian", "bookworm"));
        assert_eq!(reader.line(Some(b"Package: a")), None);
        assert_eq!(reader.line(None), None);
        assert!(matches!(reader.line(Some(b"")), Some(Err(_))));
        assert_eq!(reader.finish(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_told(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn anything_like_a_paragraph_is_read_or_told(text in "(Package|Status|Version|Source|x)?:? ?[a-z0-9() .+:\\n-]{0,60}(\\n\\n?)?") {
            let _ = read(text.repeat(3).as_bytes());
        }
    }
}
