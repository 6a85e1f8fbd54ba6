//! The agent's files: written durably, or not at all.
//!
//! ```text
//! identity.json  key.der  certificate.der  root.envelope  membership.envelope     who the agent is, whom it believes
//! documents/<deployment>.{freshness,halt}.envelope  sequences.json  counter       what must not be forgotten
//! runs/<deployment>-<sequence>/{journal,acknowledged,staged/,kept/,…}             a folder a run
//! manifest.bin  status.json                                                       what was reported; what is shown
//! ways.json                                                                       relays that are known, and whether they may be gone past
//! ```
//!
//! Everything is mode 0600 in a folder of mode 0700.

pub mod documents;
pub mod identity;
pub mod journal;
pub mod ways;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anybody holds the lock only to see whether an agent runs.
const LOOK: Duration = Duration::from_millis(200);

/// The state folder.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// The default place.
    pub const DEFAULT: &'static str = "/var/lib/netpatch-agent";

    /// Opens the folder; makes it when it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        for folder in [path.to_owned(), path.join("documents"), path.join("runs")] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        // It may have been made by somebody else, a package for instance.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// A file or folder in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file's bytes; `None` when it is not there.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file durably.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_durably(&self.file(name), bytes)
    }

    /// Keeps a second agent out; held as long as the file lives.
    pub fn lock(&self) -> io::Result<File> {
        let file = self.lock_file()?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // Somebody may only have looked.
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOOK => thread::sleep(LOOK / 10),
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::ResourceBusy,
                        format!("another agent runs in {}", self.path.display()),
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Whether an agent runs here.
    pub fn is_locked(&self) -> io::Result<bool> {
        match self.lock_file()?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.file("lock"))
    }
}

/// Replaces a file: either the old or the new content survives a power cut.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new~");
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
