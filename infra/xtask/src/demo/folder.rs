//! The folder that holds all data of one demo, removed with it.

use crate::hosts::sweep;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const PARENT: &str = "/var/tmp";
const PREFIX: &str = "netpatch-demo-";

/// Removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new folder that names its owner. The database's own user must be able to pass through it.
    pub(crate) fn create() -> Result<Self> {
        let process = std::process::id();
        let path = Path::new(PARENT).join(format!("{PREFIX}{process}"));
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        fs::write(path.join("owner"), sweep::identity(process)?)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} was not removed: {error}", self.0.display());
        }
    }
}

/// Removes the folders of runs that were killed.
pub(crate) fn remove_dead() -> Result<()> {
    for entry in fs::read_dir(PARENT)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = fs::read_to_string(entry.path().join("owner"));
        if is_ours && owner.is_ok_and(|owner| !sweep::is_alive(&owner)) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}
