//! Where things are: the clone, the cache outside it, and the folder of compiled dependencies.

use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The folder of the clone: two levels above this crate.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Whether continuous integration runs us (`CI=true`).
pub(crate) fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// `$XDG_CACHE_HOME/netpatch`, else `~/.cache/netpatch`; created when missing.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
            Path::new(&home).join(".cache")
        }
    };
    let cache = base.join("netpatch");
    std::fs::create_dir_all(&cache)
        .with_context(|| format!("create the cache folder {}", cache.display()))?;
    Ok(cache)
}

/// Where cargo puts what it compiles, and whether other clones share it.
pub(crate) struct Target {
    /// The value for `CARGO_TARGET_DIR`.
    pub(crate) folder: PathBuf,
    /// The folder is the one in the cache, which other clones use as well.
    pub(crate) shared: bool,
}

impl Target {
    /// An explicit `CARGO_TARGET_DIR` wins; then the clone's own `target/` if somebody builds there;
    /// otherwise the cache, so that the next clean clone need not compile the dependencies again.
    pub(crate) fn choose() -> Result<Self> {
        if let Some(folder) = env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
            let folder = std::path::absolute(folder)?;
            return Ok(Self {
                folder,
                shared: false,
            });
        }
        let own = root().join("target");
        // xtask itself is compiled into the clone's target/, so the folder alone says nothing.
        if !in_ci() && own.join("debug/netpatch").exists() {
            return Ok(Self {
                folder: own,
                shared: false,
            });
        }
        Ok(Self {
            folder: cache()?.join("target"),
            shared: true,
        })
    }

    /// A program of the product, built with the development profile.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("debug").join(name)
    }
}
