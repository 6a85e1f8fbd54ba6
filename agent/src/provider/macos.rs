//! macOS: the system, receipts of installed packages (pkgutil), and Homebrew's formulae and casks.
//!
//! None of them has a package URL type with advisories of its own here, so they are listed, not matched. What softwareupdate would
//! install is not asked for: nothing carries it out. Reading is tested on output written after the manuals, because no Mac was at
//! hand; asking is [`ask`]'s, and **is not run here**.

mod ask;

use super::{Inventory, Provider, one_version, problems};
use crate::command::Runner;
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_types::{ComponentKey, Ecosystem};
use std::collections::BTreeSet;

/// Most packages of a host.
const MAX_PACKAGES: usize = 20_000;

/// What macOS printed when it was asked; a part that could not be had is an error.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// `sw_vers`
    pub(crate) system: Result<String, String>,
    /// `pkgutil --pkg-info` of every receipt, one after the other.
    pub(crate) receipts: Result<String, String>,
    /// `brew list --versions`; empty without Homebrew.
    pub(crate) formulae: Result<String, String>,
    /// `brew list --cask --versions`; empty without Homebrew.
    pub(crate) casks: Result<String, String>,
}

/// A Mac.
#[derive(Clone, Debug)]
pub(crate) struct MacOs {
    runner: Runner,
}

impl MacOs {
    pub(crate) fn new(runner: Runner) -> Self {
        Self { runner }
    }
}

/// What is installed, from what macOS printed.
pub(crate) fn inventory(said: &Said) -> Inventory {
    let mut reasons = Vec::new();
    let mut found = BTreeSet::new();
    let mut take = |text: &Result<String, String>, read: fn(&str) -> Vec<ComponentKey>| match text {
        Ok(text) => found.extend(read(text)),
        Err(reason) => reasons.push(reason.clone()),
    };
    take(&said.system, system);
    take(&said.receipts, receipts);
    take(&said.formulae, |text| brewed("brew", text));
    take(&said.casks, |text| brewed("cask", text));
    if found.len() > MAX_PACKAGES {
        reasons.push(format!("more than {MAX_PACKAGES} packages"));
    }
    Inventory {
        components: found.into_iter().take(MAX_PACKAGES).collect(),
        cut_short: problems(&reasons),
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

/// `ProductName:`, `ProductVersion:`, `BuildVersion:`
fn system(text: &str) -> Vec<ComponentKey> {
    let version = field(text, "ProductVersion");
    version
        .and_then(|version| one_version(Ecosystem::Generic, "apple/macos", version))
        .map(|key| ComponentKey {
            source_version: field(text, "BuildVersion")
                .unwrap_or(&key.version)
                .to_owned(),
            ..key
        })
        .filter(|key| key.check().is_ok())
        .into_iter()
        .collect()
}

/// Blocks of `package-id:`, `version:`, `volume:`, …
fn receipts(text: &str) -> Vec<ComponentKey> {
    let begins: Vec<usize> = text
        .match_indices("package-id:")
        .map(|(at, _)| at)
        .filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')
        .collect();
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins
        .iter()
        .zip(ends)
        .map(|(begin, end)| &text[*begin..end])
        .filter_map(|block| {
            let (name, version) = (field(block, "package-id")?, field(block, "version")?);
            one_version(Ecosystem::Generic, &format!("pkgutil/{name}"), version)
        })
        .collect()
}

/// `NAME VERSION [VERSION…]`
fn brewed(kind: &str, text: &str) -> Vec<ComponentKey> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let name = format!("{kind}/{name}");
        all.extend(words.filter_map(|version| one_version(Ecosystem::Generic, &name, version)));
    }
    all
}

#[async_trait]
impl Provider for MacOs {
    fn name(&self) -> &'static str {
        "macos"
    }

    async fn detect(&self) -> bool {
        cfg!(target_os = "macos")
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        Ok(inventory(&ask::macos(&self.runner).await))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_receipts_and_homebrew_are_listed() {
        let said = Said {
            system: Ok("ProductName:\t\tmacOS\nProductVersion:\t\t14.5\nBuildVersion:\t\t23F79\n".into()),
            receipts: Ok("package-id: com.apple.pkg.CLTools_Executables\nversion: 15.3.0.0.1.1708646388\nvolume: /\nlocation: /\ninstall-time: 1712000000\npackage-id: org.example.app\nversion: 1.2\nvolume: /\npackage-id: broken\n".into()),
            formulae: Ok("openssl@3 3.3.0 3.3.1\nxz 5.4.6\nodd\n\n".into()),
            casks: Ok("firefox 126.0\n".into()),
        };
        let all = inventory(&said);
        assert_eq!(all.cut_short, None);
        let rows: Vec<(&str, &str)> = all
            .components
            .iter()
            .map(|key| (key.name.as_str(), key.version.as_str()))
            .collect();
        assert_eq!(
            rows,
            [
                ("apple/macos", "14.5"),
                ("brew/openssl@3", "3.3.0"),
                ("brew/openssl@3", "3.3.1"),
                ("brew/xz", "5.4.6"),
                ("cask/firefox", "126.0"),
                (
                    "pkgutil/com.apple.pkg.CLTools_Executables",
                    "15.3.0.0.1.1708646388"
                ),
                ("pkgutil/org.example.app", "1.2"),
            ]
        );
        assert_eq!(all.components[0].source_version, "23F79");
        assert!(all.components.iter().all(|key| key.check().is_ok()));
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let nothing = inventory(&Said {
            system: Err("sw_vers: not found".into()),
            receipts: Ok("\u{0}package-id:\nversion:\n".into()),
            formulae: Err("brew: broken".into()),
            casks: Ok("\u{1b}[0m x\n".into()),
        });
        assert!(nothing.components.is_empty(), "{nothing:?}");
        assert_eq!(
            nothing.cut_short.as_deref(),
            Some("sw_vers: not found, and 1 more")
        );
    }
}
