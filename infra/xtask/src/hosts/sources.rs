//! The package sources that the machine's own apt is configured with.
//!
//! Read at run time; hosts get the same addresses. They are never printed.

use crate::setup::debian;
use crate::shell;
use anyhow::{Context, Result};
use std::process::Command;

/// Base addresses of the Debian archive, as the machine's apt has them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sources {
    /// The release's code name.
    pub(crate) release: String,
    /// Where `main` of the release comes from.
    pub(crate) main: String,
    /// Where the security updates come from.
    pub(crate) security: String,
    /// Where the stable updates come from.
    pub(crate) updates: Option<String>,
    /// The machine's own apt does not check how old a Release file is, as with a frozen mirror.
    pub(crate) ignores_age: bool,
}

impl Sources {
    /// Asks apt, so that both formats of its files are understood.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let release = debian::code_name()?;
        let format = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)";
        let text = shell::output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            format,
            "Created-By: Packages",
        ]))?;
        let find = |suite: String| {
            text.lines().find_map(|line| {
                let mut fields = line.split('\t');
                let address = fields.next()?;
                (fields.next()? == suite && fields.next()? == "main")
                    .then(|| address.trim_end_matches('/').to_owned())
            })
        };
        let checks = shell::output(Command::new("apt-config").args(["dump", "Acquire"]))?;
        let ignores_age = checks.lines().any(|line| {
            line.strip_prefix("Acquire::Check-Valid-Until ")
                .is_some_and(|value| ["false", "0", "no"].contains(&value.trim_matches(['"', ';'])))
        });
        Ok(Self {
            main: find(release.clone()).context("the machine's apt has no source for main")?,
            security: find(format!("{release}-security"))
                .context("the machine's apt has no source for the security updates")?,
            updates: find(format!("{release}-updates")),
            release,
            ignores_age,
        })
    }

    /// The one-line source of the release alone.
    pub(crate) fn release_line(&self) -> String {
        format!("deb {KEYRING} {} {} main\n", self.main, self.release)
    }

    /// A host's `sources.list`: the release, its updates and its security updates.
    pub(crate) fn host_list(&self) -> String {
        let mut text = self.release_line();
        if let Some(updates) = &self.updates {
            text.push_str(&format!(
                "deb {KEYRING} {updates} {}-updates main\n",
                self.release
            ));
        }
        let security = format!(
            "deb {KEYRING} {} {}-security main\n",
            self.security, self.release
        );
        text.push_str(&security);
        text
    }

    /// A host's apt configuration.
    pub(crate) fn host_options(&self) -> String {
        let mut text = String::from(
            "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\nAcquire::Retries \"2\";\n",
        );
        if self.ignores_age {
            text.push_str("Acquire::Check-Valid-Until \"false\";\n");
        }
        text
    }

    /// The base addresses, each once: what a relay has to know as upstreams.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut all = vec![self.main.clone(), self.security.clone()];
        all.extend(self.updates.clone());
        all.sort();
        all.dedup();
        all
    }
}

const KEYRING: &str = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources {
            release: "bookworm".into(),
            main: "http://a.example/debian".into(),
            security: "http://a.example/debian-security".into(),
            updates: Some("http://a.example/debian".into()),
            ignores_age: false,
        }
    }

    #[test]
    fn a_host_sees_updates_but_its_base_does_not() {
        let sources = sources();
        assert!(
            sources
                .host_list()
                .contains("/debian-security bookworm-security main\n")
        );
        assert!(
            sources
                .host_list()
                .contains("/debian bookworm-updates main\n")
        );
        assert_eq!(sources.release_line().lines().count(), 1);
        assert!(!sources.release_line().contains("security"));
    }

    #[test]
    fn age_checks_are_off_only_where_the_machine_has_them_off() {
        assert!(!sources().host_options().contains("Valid-Until"));
        let frozen = Sources {
            ignores_age: true,
            ..sources()
        };
        assert!(
            frozen
                .host_options()
                .contains("Acquire::Check-Valid-Until \"false\";")
        );
    }

    #[test]
    fn an_address_that_serves_two_suites_is_named_once() {
        assert_eq!(sources().addresses().len(), 2);
    }
}
