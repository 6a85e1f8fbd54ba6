//! Before the first step: says what needs root, installs what is missing, builds.

use super::show::Show;
use crate::hosts::rootfs;
use crate::setup::{self, debian, node};
use crate::workspace::{self, Target};
use crate::{shell, steps};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::time::Instant;

const PARTS: &str = "The parts that work without it:
  cargo build                        everything
  cargo xtask test --unprivileged    all tests but those on real hosts
  cargo run -p netpatch -- serve --data-dir DIR    the platform (needs Debian's postgresql)";

/// Fails with what is missing, and what works without it.
pub(crate) fn require_root_on_debian() -> Result<()> {
    match refusal(debian::code_name(), setup::has_namespaces) {
        Some(reason) => bail!("{reason}\n{PARTS}"),
        None => Ok(()),
    }
}

/// Why the demo cannot run here, in one sentence.
fn refusal(release: Result<String>, has_namespaces: impl FnOnce() -> bool) -> Option<String> {
    if let Err(error) = release {
        return Some(format!(
            "the demo makes Debian hosts with Debian's own tools: {error:#}."
        ));
    }
    (!has_namespaces()).then(|| {
        "the demo starts real hosts in namespaces of their own, which needs root (and a machine or \
         container that may create namespaces and mounts)."
            .to_owned()
    })
}

/// Says what happens as root, then installs what is missing.
pub(crate) fn install() -> Result<()> {
    eprintln!("What this needs root for:");
    let mut packages: Vec<_> = [debian::PLATFORM, debian::HOSTS, debian::DRIVER].concat();
    packages.retain(|package| !debian::missing(&[package]).is_empty());
    if !packages.is_empty() {
        eprintln!("  - install Debian packages: {}", packages.join(" "));
    }
    eprintln!(
        "  - three hosts with file systems, processes and networks of their own (namespaces)"
    );
    eprintln!("  - a network between them (10.77.N.0/24), not routed anywhere");
    let cache = workspace::cache()?;
    eprintln!(
        "Everything started is removed at the end; packages and {} stay.",
        cache.display()
    );
    debian::install(&packages)
}

/// Builds the portal and the programs.
pub(crate) fn build(target: &Target) -> Result<()> {
    build_portal()?;
    let began = Instant::now();
    eprintln!(
        "building the programs in {} (minutes the first time)",
        target.folder.display()
    );
    let root = workspace::root();
    shell::run(
        shell::command("cargo")
            .args(["build", "--workspace", "--bins", "--locked"])
            .current_dir(root)
            .env("CARGO_TARGET_DIR", &target.folder),
    )?;
    eprintln!("built in {}", steps::seconds(began.elapsed()));
    Ok(())
}

fn build_portal() -> Result<()> {
    if !workspace::root().join("web/package.json").exists() {
        return Ok(());
    }
    eprintln!("building the portal");
    node::install_packages()?;
    shell::output(node::npm()?.args(["run", "--silent", "build"])).map(drop)
}

/// The base of the three hosts, from the cache or new.
pub(crate) fn base_file_system(show: &mut Show) -> Result<PathBuf> {
    show.step(
        "Make a Debian root file system at its release point",
        |line| {
            let base = rootfs::ensure(&mut |text| line.say(text))?;
            Ok((
                base,
                "A Debian root file system at its release point is ready".to_owned(),
            ))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn it_runs_on_debian_as_root_and_says_what_is_missing_elsewhere() {
        let debian = || Ok("bookworm".to_owned());
        assert_eq!(refusal(debian(), || true), None);
        let reason = refusal(debian(), || false).expect("refused without root");
        assert!(reason.contains("needs root"), "{reason}");
        let other = Err(anyhow!("this is not Debian but Some Linux"));
        let reason = refusal(other, || true).expect("refused elsewhere");
        assert!(reason.contains("not Debian but Some Linux"), "{reason}");
        for reason in [reason, refusal(debian(), || false).expect("refused")] {
            assert_eq!(reason.matches(". ").count(), 0, "one sentence: {reason}");
        }
    }
}
