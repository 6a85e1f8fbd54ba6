//! The base root file system: Debian at its release point, so that all later security updates are pending.
//!
//! Built by mmdebstrap from `main` alone, kept in the cache under a name made of everything it is made from.

use super::sources::Sources;
use crate::{shell, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

/// Ordinary server software that has had security updates since the release.
const PACKAGES: &[&str] = &[
    "ca-certificates",
    "curl",
    "git",
    "gnupg",
    "iproute2",
    "libxml2",
    "nginx-light",
    "openssh-server",
    "openssl",
    "perl",
    "python3",
    "rsync",
    "sudo",
    "tzdata",
    "vim-tiny",
    "wget",
    "xz-utils",
];

/// Raise when the way a base is built changes.
const FORMAT: u32 = 1;

/// Returns the base, building it when the cache has none. `say` gets a line before anything slow.
pub(crate) fn ensure(say: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let sources = Sources::of_this_machine()?;
    let acquire = acquire_options()?;
    let mut hasher = DefaultHasher::new();
    (FORMAT, PACKAGES, &sources, &acquire).hash(&mut hasher);
    let folder = workspace::cache()?.join("rootfs");
    let base = folder.join(format!("{}-{:016x}", sources.release, hasher.finish()));
    fs::create_dir_all(&folder)?;
    // Two runs must not build, or remove what the other builds, at the same time.
    let lock = fs::File::create(folder.join("lock"))?;
    lock.lock().context("lock the base file systems")?;
    if base.exists() {
        return Ok(base);
    }
    say("building the hosts' base file system with mmdebstrap");
    let partial = folder.join(format!("partial-{}", std::process::id()));
    let list = folder.join(format!("sources-{}", std::process::id()));
    fs::write(&list, sources.release_line())?;
    let built = shell::output(
        Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=minbase"])
            .args(acquire.iter().map(|option| format!("--aptopt={option}")))
            .arg("--aptopt=APT::Install-Recommends \"false\"")
            .arg(format!("--include={}", PACKAGES.join(",")))
            .arg(&sources.release)
            .arg(&partial)
            .arg(&list),
    );
    fs::remove_file(&list).ok();
    if let Err(error) = built {
        fs::remove_dir_all(&partial).ok();
        return Err(error).context("build the hosts' base file system");
    }
    remove_older(&folder, &partial)?;
    fs::rename(&partial, &base).context("keep the base file system")?;
    Ok(base)
}

/// How the machine's apt gets to its sources (proxy, certificates, age checks), for mmdebstrap's apt.
fn acquire_options() -> Result<Vec<String>> {
    let text = shell::output(Command::new("apt-config").args(["dump", "--no-empty", "Acquire"]))?;
    Ok(text
        .lines()
        .filter(|line| {
            let name = line.to_ascii_lowercase();
            [
                "acquire::http",
                "acquire::https",
                "acquire::check-",
                "acquire::proxy",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        })
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect())
}

/// A base made from other sources or packages is of no use any more; one that hosts run from stays.
fn remove_older(folder: &std::path::Path, keep: &std::path::Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let used = mounts.contains(path.to_string_lossy().as_ref());
        if path.is_dir() && path != keep && !used {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}
