//! The files of a pack: plain or zstd; in a folder, checked against `SHA256SUMS` when it is there, or in memory.

use super::catalogue::{FOLDERS, feed_of, has_many_files};
use super::feeds::OTHERS;
use netpatch_types::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files as they are (most are packed), by their path in a pack.
pub type FileSet = BTreeMap<String, Arc<[u8]>>;

/// A file may hold this many bytes when unpacked. The largest real one has 14 MiB.
pub const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A zstd frame may ask for this much memory, as a power of two: 128 MiB, the most that the `zstd` tool takes by default.
const MAX_WINDOW_LOG: u32 = 27;

/// What is wrong with a file of a pack.
#[derive(Debug, thiserror::Error)]
pub enum PackFileError {
    /// The folder or a file of it is absent or cannot be read.
    #[error("reading {path} failed: {source}")]
    Read {
        /// Which, relative to the pack.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The pack has no such file.
    #[error("the pack has no {path}")]
    Absent {
        /// Which, relative to the pack.
        path: String,
    },
    /// The bytes are not those of `SHA256SUMS`.
    #[error("{path} does not have the digest that SHA256SUMS says")]
    Digest {
        /// Which, relative to the pack.
        path: String,
    },
    /// Too large.
    #[error("{path} has more than {MAX_FILE_BYTES} bytes")]
    TooLarge {
        /// Which, relative to the pack.
        path: String,
    },
    /// Not UTF-8.
    #[error("{path} is not UTF-8")]
    NotText {
        /// Which, relative to the pack.
        path: String,
    },
}

/// A file of a pack while it is read; ends when it is too large.
pub(crate) struct PackReader {
    inner: BufReader<std::io::Take<Box<dyn std::io::Read>>>,
    path: String,
}

impl PackReader {
    /// Whether all was read, and no more than may be.
    pub(crate) fn check<T>(&self, outcome: std::io::Result<T>) -> Result<T, PackFileError> {
        let path = || self.path.clone();
        let value = outcome.map_err(|source| PackFileError::Read {
            path: path(),
            source,
        })?;
        if self.inner.get_ref().limit() == 0 {
            return Err(PackFileError::TooLarge { path: path() });
        }
        Ok(value)
    }

    /// Its name in the pack.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

impl std::io::Read for PackReader {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(out)
    }
}

impl BufRead for PackReader {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl PackFileError {
    /// Which file, relative to the pack.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Read { path, .. }
            | Self::Absent { path }
            | Self::Digest { path }
            | Self::TooLarge { path }
            | Self::NotText { path } => Some(path),
        }
    }
}

#[derive(Debug)]
enum Place {
    Folder(PathBuf),
    Memory(FileSet),
}

/// Files with the layout of the data pack.
#[derive(Debug)]
pub struct PackFiles {
    place: Place,
    sums: HashMap<String, Sha256>,
}

impl PackFiles {
    /// Opens a folder; reads `SHA256SUMS` if there is one.
    pub fn open(dir: &Path) -> Result<Self, PackFileError> {
        if !dir.is_dir() {
            return Err(PackFileError::Absent {
                path: format!("folder {}", dir.display()),
            });
        }
        let sums = match std::fs::read_to_string(dir.join("SHA256SUMS")) {
            Ok(text) => sums(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => HashMap::new(),
            Err(source) => {
                return Err(PackFileError::Read {
                    path: "SHA256SUMS".to_owned(),
                    source,
                });
            }
        };
        Ok(Self {
            place: Place::Folder(dir.to_owned()),
            sums,
        })
    }

    /// Files in memory.
    #[must_use]
    pub fn of(files: FileSet) -> Self {
        Self {
            place: Place::Memory(files),
            sums: HashMap::new(),
        }
    }

    /// The files of every feed, as they are. What `SHA256SUMS` names of a feed must be there.
    pub fn by_feed(&self) -> Result<BTreeMap<String, FileSet>, PackFileError> {
        let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for folder in FOLDERS.into_iter().chain(OTHERS.map(|feed| feed.name)) {
            for path in self.list(folder)? {
                if let Some(feed) = feed_of(&path) {
                    paths.entry(feed).or_default().push(path);
                }
            }
        }
        for path in self.sums.keys() {
            let plain = path.strip_suffix(".zst").unwrap_or(path);
            let is_there = |feed: &String| {
                let of_feed = paths.get(feed);
                of_feed.is_some_and(|all| all.iter().any(|one| one == plain))
            };
            if feed_of(plain).is_some_and(|feed| !is_there(&feed)) {
                return Err(PackFileError::Absent { path: path.clone() });
            }
        }
        let mut all: BTreeMap<String, FileSet> = BTreeMap::new();
        for (feed, mut paths) in paths {
            paths.sort();
            if !has_many_files(&feed) {
                paths.drain(..paths.len().saturating_sub(1));
            }
            for path in paths {
                let (path, bytes) = self.bytes(&path)?;
                all.entry(feed.clone()).or_default().insert(path, bytes);
            }
        }
        Ok(all)
    }

    /// The text of a file, named without `.zst`.
    pub(crate) fn text(&self, path: &str) -> Result<String, PackFileError> {
        let mut file = self.reader(path)?;
        let mut text = Vec::new();
        let read = file.read_to_end(&mut text);
        file.check(read)?;
        String::from_utf8(text).map_err(|_| PackFileError::NotText { path: file.path })
    }

    /// A file, unpacked while it is read and named without `.zst`. Its digest is checked first. What [`PackReader::check`] says counts at
    /// the end.
    pub(crate) fn reader(&self, path: &str) -> Result<PackReader, PackFileError> {
        let (path, bytes) = self.bytes(path)?;
        let read = |source| PackFileError::Read {
            path: path.clone(),
            source,
        };
        let bytes = std::io::Cursor::new(bytes);
        let inner: Box<dyn std::io::Read> = if path.ends_with(".zst") {
            let mut decoder = zstd::stream::read::Decoder::new(bytes).map_err(read)?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(read)?;
            Box::new(decoder)
        } else {
            Box::new(bytes)
        };
        Ok(PackReader {
            inner: BufReader::with_capacity(128 * 1024, inner.take(MAX_FILE_BYTES + 1)),
            path,
        })
    }

    /// A file as it is, by its name without `.zst`: its own name, and its bytes, whose digest was checked.
    fn bytes(&self, path: &str) -> Result<(String, Arc<[u8]>), PackFileError> {
        let packed = format!("{path}.zst");
        let dir = match &self.place {
            Place::Memory(files) => {
                let found = [packed, path.to_owned()].into_iter().find_map(|path| {
                    let bytes = Arc::clone(files.get(&path)?);
                    Some((path, bytes))
                });
                let path = path.to_owned();
                return found.ok_or(PackFileError::Absent { path });
            }
            Place::Folder(dir) => dir,
        };
        let path = if dir.join(&packed).is_file() {
            packed
        } else {
            path.to_owned()
        };
        let read = |source| PackFileError::Read {
            path: path.clone(),
            source,
        };
        let full = dir.join(&path);
        match std::fs::metadata(&full) {
            Ok(facts) if facts.len() > MAX_FILE_BYTES => {
                return Err(PackFileError::TooLarge { path });
            }
            _ => {}
        }
        let bytes = match std::fs::read(&full) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(PackFileError::Absent { path });
            }
            Err(source) => return Err(read(source)),
        };
        let is_right = |sum: &Sha256| *sum == Sha256::of(&bytes);
        if !self.sums.get(&path).is_none_or(is_right) {
            return Err(PackFileError::Digest { path });
        }
        Ok((path, bytes.into()))
    }

    /// Whether there is anything in a folder.
    pub(crate) fn has_folder(&self, folder: &str) -> bool {
        self.names(folder).is_ok_and(|names| !names.is_empty())
    }

    /// The paths of the files in a folder, without `.zst`, sorted.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, PackFileError> {
        let names = self.names(folder)?.into_iter();
        let mut all: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The path of the file of a folder whose name starts and ends so and sorts last (names carry dates), without `.zst`; `None` when
    /// there is none or no such folder.
    pub(crate) fn newest(
        &self,
        folder: &str,
        prefix: &str,
        suffix: &str,
    ) -> Result<Option<String>, PackFileError> {
        let named = |name: &String| name.starts_with(prefix) && name.ends_with(suffix);
        let newest = self.names(folder)?.into_iter().filter(named).max();
        Ok(newest.map(|name| format!("{folder}/{name}")))
    }

    /// The names in a folder, without `.zst`; none when there is no such folder.
    fn names(&self, folder: &str) -> Result<Vec<String>, PackFileError> {
        let dir = match &self.place {
            Place::Memory(files) => {
                let name = |path: &String| {
                    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
                    let name = name.strip_suffix(".zst").unwrap_or(name);
                    (!name.contains('/')).then(|| name.to_owned())
                };
                return Ok(files.keys().filter_map(name).collect());
            }
            Place::Folder(dir) => dir,
        };
        let read = |source| PackFileError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(dir.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(read(source)),
        };
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.map_err(read)?.file_name();
            let name = name.to_string_lossy();
            Ok(name.strip_suffix(".zst").unwrap_or(&name).to_owned())
        };
        entries.map(name).collect()
    }
}

/// Reads the lines of `sha256sum`.
fn sums(text: &str) -> HashMap<String, Sha256> {
    text.lines()
        .filter_map(|line| {
            let (digest, path) = line.split_once(char::is_whitespace)?;
            let path = path
                .trim_start()
                .trim_start_matches('*')
                .trim_start_matches("./");
            Some((path.to_owned(), digest.parse().ok()?))
        })
        .collect()
}
