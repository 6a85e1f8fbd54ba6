//! Secret keys in files: `DATA/keys/<name>`, mode 0600, made at first use.
//!
//! Invariant: a key that was handed out once stands durably on disk before (file and folder are synced before the rename
//! is seen), so nothing is ever signed with a key that a crash could lose. A key management service comes later behind
//! the same two calls.

use rand::TryRngCore as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A folder of secret keys.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    root: PathBuf,
}

/// What a file is told by without being read: as long as it stays the same, so do the bytes, for here files are replaced and not written
/// over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStamp {
    file: (u64, u64),
    size_bytes: u64,
    /// When the file changed last, seconds and nanoseconds; unlike the time of its content nobody sets it.
    changed: (i64, i64),
}

impl KeyFolder {
    /// Opens the folder, making it with mode 0700 if needed.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)?;
        Ok(Self { root })
    }

    /// The 32 secret bytes of a key, e.g. `<organization>/director`; random at first use.
    pub fn secret(&self, name: &str) -> io::Result<[u8; 32]> {
        let bytes = self.load_or_create(name, || {
            let mut secret = [0u8; 32];
            rand::rngs::OsRng
                .try_fill_bytes(&mut secret)
                .map_err(io::Error::other)?;
            Ok(secret.to_vec())
        })?;
        bytes.try_into().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("key {name} does not have 32 bytes; restore it from a backup"),
            )
        })
    }

    /// The bytes of a file, made by `create` at first use. Two callers at once get the same bytes.
    pub fn load_or_create(
        &self,
        name: &str,
        create: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let folder = path.parent().unwrap_or(&self.root);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let temporary = folder.join(format!(
            ".{}.{}.tmp",
            std::process::id(),
            rand::random::<u64>()
        ));
        write_synced(&temporary, &create()?)?;
        // A hard link fails when the name exists: the first caller wins.
        let linked = fs::hard_link(&temporary, &path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::File::open(folder)?.sync_all()?,
        }
        fs::read(&path)
    }

    /// Tells the file of this name; `None`: there is none.
    pub fn stamp(&self, name: &str) -> io::Result<Option<KeyStamp>> {
        match fs::metadata(self.path(name)?) {
            Ok(found) => Ok(Some(KeyStamp {
                file: (found.dev(), found.ino()),
                size_bytes: found.len(),
                changed: (found.ctime(), found.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> io::Result<bool> {
        self.path(name)?.try_exists()
    }

    /// Writes a file anew, durably.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name)?;
        let folder = path.parent().unwrap_or(&self.root);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let temporary = folder.join(format!(
            ".{}.{}.tmp",
            std::process::id(),
            rand::random::<u64>()
        ));
        write_synced(&temporary, bytes)?;
        fs::rename(&temporary, &path)?;
        fs::File::open(folder)?.sync_all()
    }

    /// Removes a file, durably; an absent one is no error.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => fs::File::open(path.parent().unwrap_or(&self.root))?.sync_all(),
        }
    }

    /// The path of a name; names are made of letters, digits, `-`, `.`, and `/` between parts.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if name.split('/').all(plain) {
            Ok(self.root.join(name))
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name:?} is not a key name"),
            ))
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_told_from_the_one_that_takes_its_place_whatever_its_size_and_dates() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open(folder.path()).unwrap();
        assert_eq!(keys.stamp("a").unwrap(), None);
        keys.replace("a", b"one").unwrap();
        let first = keys.stamp("a").unwrap();
        assert!(first.is_some());
        assert_eq!(keys.stamp("a").unwrap(), first);
        let path = folder.path().join("a");
        let dated = fs::metadata(&path).unwrap().modified().unwrap();
        keys.replace("a", b"two").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(dated).unwrap();
        assert_ne!(keys.stamp("a").unwrap(), first);
        assert!(keys.stamp("../a").is_err());
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open(folder.path().join("keys")).unwrap();
        let first = keys.secret("one/director").unwrap();
        assert_eq!(keys.secret("one/director").unwrap(), first);
        assert_ne!(keys.secret("two/director").unwrap(), first);
        let mode = fs::metadata(folder.path().join("keys/one/director"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        keys.remove("one/director").unwrap();
        keys.remove("one/director").unwrap();
        assert_ne!(keys.secret("one/director").unwrap(), first);
        assert!(keys.remove("../keys/one/director").is_err());
        for name in ["", "../x", "a/../b", "/etc/passwd", "a b"] {
            assert!(keys.secret(name).is_err(), "{name:?}");
        }
    }
}
