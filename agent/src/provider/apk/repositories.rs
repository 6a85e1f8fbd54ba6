//! The host's repositories as its configuration names them (apk-repositories(5)), and the agent's version of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

/// The list of old.
const FILE: &str = "etc/apk/repositories";
/// Lists since apk 3; one in the first folder hides one of the same name in the second.
const FOLDERS: [&str; 2] = ["etc/apk/repositories.d", "lib/apk/repositories.d"];
/// Largest list.
const MAX_BYTES: u64 = 1 << 20;

/// Lines, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Repositories {
    lines: Vec<String>,
}

impl Repositories {
    /// Reads the lists below a root; what cannot be read is no repository.
    pub(super) fn read(root: &Path) -> Self {
        let mut places = BTreeMap::new();
        for folder in FOLDERS {
            let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
            for entry in entries.flatten() {
                let name = entry.file_name();
                if name.to_string_lossy().ends_with(".list") {
                    places.entry(name).or_insert_with(|| entry.path());
                }
            }
        }
        let first = std::iter::once(root.join(FILE));
        let texts = first
            .chain(places.into_values())
            .filter_map(|path| text(&path));
        Self::parse(&texts.collect::<Vec<_>>().join("\n"))
    }

    fn parse(text: &str) -> Self {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self {
            lines: lines.map(str::to_owned).collect(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Base addresses of those on the web whose address stands there in full; sorted.
    pub(super) fn web(&self) -> Vec<String> {
        let mut urls: Vec<String> = self.lines.iter().filter_map(|line| base(line)).collect();
        urls.sort();
        urls.dedup();
        urls
    }

    /// Lines whose address apk itself puts together: the loopback proxy cannot know it.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .map(String::as_str)
            .filter(|line| line.contains('$') || line.starts_with("set "))
    }

    /// The same lines by http: the loopback proxy speaks https.
    pub(super) fn own(&self) -> String {
        let lines = self
            .lines
            .iter()
            .map(|line| line.replacen("https://", "http://", 1));
        lines.map(|line| line + "\n").collect()
    }

    /// The address of a file as the host's configuration has it, from one below the agent's version of a repository; `None` when it is
    /// below none on the web.
    pub(super) fn file_as_configured(&self, url: &str) -> Option<String> {
        let (_, place) = url.split_once("://")?;
        self.web().into_iter().find_map(|base| {
            let (_, below) = base.split_once("://")?;
            let rest = place.strip_prefix(below)?.strip_prefix('/')?;
            (!rest.is_empty()).then(|| format!("{base}/{rest}"))
        })
    }

    /// The address as the host's configuration has it, from one of the agent's version.
    pub(super) fn as_configured(&self, url: &str) -> String {
        let bare = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned());
        let found = self.web().into_iter().find(|one| bare(one) == bare(url));
        found.unwrap_or_else(|| url.to_owned())
    }
}

/// `[@tag] [v2|v3|ndx] address [component…]`.
fn base(line: &str) -> Option<String> {
    let url = line.split_whitespace().find(|word| {
        (word.starts_with("http://") || word.starts_with("https://")) && !word.contains('$')
    })?;
    let url = match line.split_whitespace().any(|word| word == "ndx") {
        // Packages lie beside the index.
        true => url.rsplit_once('/')?.0,
        false => url,
    };
    Some(url.trim_end_matches('/').to_owned())
}

fn text(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_and_asked_by_http() {
        let text = "#http://off.example.invalid/x\n/media/cdrom/apks\nhttps://a.example.invalid/alpine/v3.19/main/\n@edge  https://a.example.invalid/alpine/edge/main\nndx http://b.example.invalid/x/APKINDEX.tar.gz\nset a=b\nhttps://c.example.invalid/${a}/main\n";
        let found = Repositories::parse(text);
        assert_eq!(
            found.web(),
            [
                "http://b.example.invalid/x",
                "https://a.example.invalid/alpine/edge/main",
                "https://a.example.invalid/alpine/v3.19/main",
            ]
        );
        assert_eq!(found.unknown().count(), 2);
        let own = found.own();
        assert!(!own.contains("https"), "{own}");
        assert!(
            own.contains("\n@edge  http://a.example.invalid/alpine/edge/main\n"),
            "{own}"
        );
        assert_eq!(
            found.as_configured("http://a.example.invalid/alpine/edge/main"),
            "https://a.example.invalid/alpine/edge/main"
        );
        let file = |url| found.file_as_configured(url);
        assert_eq!(
            file("http://a.example.invalid/alpine/edge/main/x86_64/a-1-r0.apk").as_deref(),
            Some("https://a.example.invalid/alpine/edge/main/x86_64/a-1-r0.apk")
        );
        for url in [
            "http://a.example.invalid/alpine/edge/mainly/a-1-r0.apk",
            "http://a.example.invalid/alpine/edge/main/",
            "/media/cdrom/apks/x86_64/a-1-r0.apk",
        ] {
            assert_eq!(file(url), None, "{url}");
        }
    }

    #[test]
    fn a_list_in_etc_hides_the_vendors() {
        let root = tempfile::tempdir().expect("folder");
        for (place, text) in [
            ("etc/apk/repositories", "http://a.invalid/1"),
            ("etc/apk/repositories.d/x.list", "http://a.invalid/2"),
            ("lib/apk/repositories.d/x.list", "http://a.invalid/3"),
            ("lib/apk/repositories.d/y.list", "http://a.invalid/4"),
            ("lib/apk/repositories.d/y.list.bak", "http://a.invalid/5"),
        ] {
            let path = root.path().join(place);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a list");
        }
        let found = Repositories::read(root.path());
        assert_eq!(
            found.web(),
            [
                "http://a.invalid/1",
                "http://a.invalid/2",
                "http://a.invalid/4"
            ]
        );
    }
}
