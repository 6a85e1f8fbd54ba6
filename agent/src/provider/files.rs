//! Files of a run's folder.

use netpatch_agent_core::plan::PlanItem;
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use sha2::Digest as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Left free for the unpacking of one package and for logs.
pub(crate) const RESERVE_BYTES: u64 = 16 << 20;

/// What a failed call of the file system means.
pub(crate) fn io_failure(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let cause = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            FailureCause::DiskFull
        }
        _ => FailureCause::Unknown(None),
    };
    Failure::new(
        cause,
        [format!("cannot {what} {}: {error}", path.display())],
    )
}

/// Whether a staged file is what the plan says.
pub fn check_file(item: &PlanItem, staged: &Path) -> Result<(), Failure> {
    let path = staged.join(&item.file_name);
    let found = hash_file(&path).map_err(|error| io_failure("read", &path, &error))?;
    if Some(found) == item.sha256 {
        return Ok(());
    }
    let expected = item
        .sha256
        .map(|sha256| sha256.to_string())
        .unwrap_or_default();
    Err(Failure::new(
        FailureCause::PayloadCorrupt,
        [format!(
            "{} hashes to {found}, not {expected}",
            item.file_name
        )],
    ))
}

/// SHA-256 of a file, read in pieces.
pub(crate) fn hash_file(path: &Path) -> std::io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(Sha256(hasher.finalize().into()));
        }
        hasher.update(&buffer[..length]);
    }
}

/// Files and folder reach the disk before the journal says that they are there.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| io_failure("sync", folder, &error);
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.push(folder.to_owned());
    for path in paths {
        File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(failed)?;
    }
    Ok(())
}
