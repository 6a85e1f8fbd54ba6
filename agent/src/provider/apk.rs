//! Alpine's apk: what is installed, from its own database. Not run on a real Alpine: tested on the text of one.

use super::{Inventory, Provider};
use crate::command::Runner;
use crate::provider::files::io_failure;
use async_trait::async_trait;
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{ComponentKey, Ecosystem};
use std::fs::File;
use std::io::Read as _;

/// Where apk keeps it: of old, and since apk 3.
const DATABASES: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
/// Largest database: a desktop of 3,000 packages has 10 MiB.
const MAX_BYTES: u64 = 128 << 20;

/// A host with apk.
#[derive(Clone, Debug)]
pub struct Apk {
    runner: Runner,
}

impl Apk {
    /// A host reached through the runner.
    #[must_use]
    pub fn new(runner: Runner) -> Self {
        Self { runner }
    }
}

#[async_trait]
impl Provider for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    async fn detect(&self) -> bool {
        DATABASES
            .iter()
            .any(|path| self.runner.outside(path).exists())
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        let found = DATABASES.map(|path| self.runner.outside(path));
        let path = found.iter().find(|path| path.exists()).unwrap_or(&found[0]);
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| io_failure("read", path, &error))?;
        let odd = |what: &str| {
            let line = format!("apk's database {} {what}", path.display());
            Failure::new(FailureCause::Unknown(None), [line])
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(odd("is larger than 128 MiB"));
        }
        let facts = crate::facts::read(self.runner.root());
        let text = String::from_utf8_lossy(&bytes);
        let (components, unreadable) = parse(&text, &facts.os_id, &facts.os_release);
        if components.is_empty() {
            return Err(odd("names no package: it is damaged or was emptied"));
        }
        Ok(Inventory {
            components,
            cut_short: (unreadable > 0)
                .then(|| format!("{unreadable} entries of apk's database cannot be read")),
        })
    }

    fn databases(&self) -> &'static [&'static str] {
        &DATABASES
    }
}

/// Stanzas of `P:name`, `V:version`, `A:arch`, `o:origin`, separated by empty lines (apk_package(5)); and how many have
/// no name or version. A package's version is its origin's too.
fn parse(text: &str, distribution: &str, release: &str) -> (Vec<ComponentKey>, usize) {
    let (mut components, mut unreadable) = (Vec::new(), 0);
    for stanza in text.split("\n\n") {
        let field = |letter: &str| {
            stanza
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| *key == letter)
                .map(|(_, value)| value.trim_end())
                .filter(|value| !value.is_empty())
        };
        let (Some(name), Some(version)) = (field("P"), field("V")) else {
            unreadable += usize::from(!stanza.trim().is_empty());
            continue;
        };
        components.push(ComponentKey {
            ecosystem: Ecosystem::Apk,
            distribution: distribution.to_owned(),
            release: release.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            arch: field("A").unwrap_or("noarch").to_owned(),
            source: field("o").unwrap_or(name).to_owned(),
            source_version: version.to_owned(),
        });
    }
    (components, unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// As Alpine 3.19 writes it, shortened.
    const TEXT: &str = "C:Q1qkD1bhsGSgkSTW3GD18f2CFvmWY=\nP:busybox-binsh\nV:1.36.1-r15\nA:x86_64\nS:1546\nI:8192\nT:busybox ash /bin/sh\nU:https://busybox.net/\nL:GPL-2.0-only\no:busybox\nm:Natanael Copa <ncopa@alpinelinux.org>\nt:1699277303\nc:ae2f3c9bd0\nD:busybox=1.36.1-r15\np:/bin/sh cmd:sh=1.36.1-r15\nr:busybox-initscripts\nF:bin\nR:sh\na:0:0:777\nZ:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\n\nC:Q1abc=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\n\n";

    fn host(text: &[u8]) -> (tempfile::TempDir, Apk) {
        let root = tempfile::tempdir().expect("folder");
        for folder in ["etc", "lib/apk/db"] {
            fs::create_dir_all(root.path().join(folder)).expect("folder");
        }
        let os = "ID=alpine\nVERSION_ID=3.19.1\n";
        fs::write(root.path().join("etc/os-release"), os).expect("os-release");
        fs::write(root.path().join("lib/apk/db/installed"), text).expect("database");
        let apk = Apk::new(Runner::in_root(root.path().to_owned(), Vec::new()));
        (root, apk)
    }

    #[tokio::test]
    async fn packages_come_with_their_origin() {
        let (_root, apk) = host(TEXT.as_bytes());
        assert!(apk.detect().await);
        let inventory = apk.inventory().await.expect("inventory");
        assert_eq!(inventory.cut_short, None);
        let purls: Vec<String> = inventory
            .components
            .iter()
            .map(ComponentKey::purl)
            .collect();
        assert_eq!(
            purls,
            [
                "pkg:apk/alpine/busybox-binsh@1.36.1-r15?arch=x86_64&distro=3.19",
                "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64&distro=3.19",
            ]
        );
        assert_eq!(inventory.components[1].source, "openssl");
    }

    #[tokio::test]
    async fn a_damaged_database_is_no_empty_host() {
        for text in [&b""[..], b"\n\n\n", b"\xff\xfe\x00", b"C:x\nA:y\n"] {
            let (_root, apk) = host(text);
            let failure = apk.inventory().await.expect_err("refused");
            assert!(failure.evidence[0].contains("damaged"), "{failure:?}");
        }
        let (_root, apk) = host(&TEXT.as_bytes()[..TEXT.len() - 40]);
        let inventory = apk.inventory().await.expect("what can be read");
        assert_eq!(inventory.components.len(), 1);
        assert!(inventory.cut_short.is_some());
    }
}
