//! Packages made again from their installed files: the way back where no archive offers the installed version any more.

use super::stage::deb_name;
use super::{Apt, FETCH_LIMIT, apt_name};
use crate::command::CommandLine;
use crate::provider::files::io_failure;
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::PlanItem;
use std::fs;
use std::path::Path;

impl Apt {
    /// Repacks what it can, where dpkg-repack is at hand.
    ///
    /// A package with changed configuration files is left out: in its copy they would be the vendor's own, and after a
    /// rollback the next update would overwrite them without asking.
    pub(super) async fn repack_installed(
        &self,
        open: &[(&PlanItem, &str)],
        kept: &Path,
        native: &str,
    ) -> Result<(), Failure> {
        if open.is_empty() || !self.runner.outside("/usr/bin/dpkg-repack").exists() {
            return Ok(());
        }
        for (item, before) in open {
            let name = apt_name(&item.name, &item.arch, native);
            if self.has_changed_conffiles(&name).await? {
                tracing::warn!(package = %name, "its configuration files were changed: it cannot be repacked");
                continue;
            }
            self.repack(item, before, &name, kept).await?;
        }
        Ok(())
    }

    /// `dpkg --verify` marks configuration files with a lone `c` (rpm's format); its exit code says nothing.
    async fn has_changed_conffiles(&self, name: &str) -> Result<bool, Failure> {
        let output = self.read("dpkg", &["--verify", name]).await?;
        Ok(output.stdout.lines().any(names_a_conffile))
    }

    async fn repack(
        &self,
        item: &PlanItem,
        before: &str,
        name: &str,
        kept: &Path,
    ) -> Result<(), Failure> {
        // A tag would stay in the package's description, and the host would differ from what it was.
        let repack = CommandLine::new("dpkg-repack", ["--tag=none", name])
            .in_folder(&self.runner.inside(kept));
        let output = self.runner.run(&repack, FETCH_LIMIT).await?;
        let here = kept.join(deb_name(&item.name, before, &item.arch));
        // dpkg leaves the epoch out of a file's name, apt does not.
        let without_epoch = before.split_once(':').map_or(before, |(_, rest)| rest);
        let made = kept.join(format!("{}_{without_epoch}_{}.deb", item.name, item.arch));
        if made != here && made.exists() {
            fs::rename(&made, &here).map_err(|error| io_failure("rename", &made, &error))?;
        }
        if !output.ok() || !here.exists() {
            tracing::warn!(package = %name, output = %output.text(), "dpkg-repack failed");
            let _ = fs::remove_file(&here);
        }
        Ok(())
    }
}

/// `??5?????? c /etc/x` or `missing   c /etc/x`.
fn names_a_conffile(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("c")
}

#[cfg(test)]
mod tests {
    use super::names_a_conffile;

    #[test]
    fn conffiles_are_told_from_other_files() {
        for (line, is_one) in [
            ("??5?????? c /etc/np-conffile.conf", true),
            ("missing   c /etc/np-conffile.conf", true),
            ("??5??????   /usr/share/np-good/version", false),
            ("missing     /usr/share/c", false),
            ("", false),
        ] {
            assert_eq!(names_a_conffile(line), is_one, "{line}");
        }
    }
}
