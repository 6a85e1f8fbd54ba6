//! The files of a pack: plain or zstd, checked against `SHA256SUMS` when it is there.

use netpatch_types::Sha256;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// A file may hold this many bytes when unpacked. The largest real one has 14 MiB.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

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

/// A folder with the layout of the data pack.
#[derive(Debug)]
pub(crate) struct PackFiles {
    dir: PathBuf,
    sums: HashMap<String, Sha256>,
}

impl PackFiles {
    /// Opens a folder; reads `SHA256SUMS` if there is one.
    pub(crate) fn open(dir: &Path) -> Result<Self, PackFileError> {
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
            dir: dir.to_owned(),
            sums,
        })
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
        let packed = format!("{path}.zst");
        let (path, is_packed) = if self.dir.join(&packed).is_file() {
            (packed, true)
        } else {
            (path.to_owned(), false)
        };
        let read = |source| PackFileError::Read {
            path: path.clone(),
            source,
        };
        let full = self.dir.join(&path);
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
        if self
            .sums
            .get(&path)
            .is_some_and(|sum| *sum != Sha256::of(&bytes))
        {
            return Err(PackFileError::Digest { path });
        }
        let bytes = std::io::Cursor::new(bytes);
        let inner: Box<dyn std::io::Read> = if is_packed {
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

    /// The path of the file of a folder whose name starts and ends so and sorts last (names carry dates), without `.zst`; `None` when
    /// there is none or no such folder.
    pub(crate) fn newest(
        &self,
        folder: &str,
        prefix: &str,
        suffix: &str,
    ) -> Result<Option<String>, PackFileError> {
        let read = |source| PackFileError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match std::fs::read_dir(self.dir.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(read(source)),
        };
        let mut newest = None;
        for entry in entries {
            let name = entry
                .map_err(read)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            let name = name.strip_suffix(".zst").unwrap_or(&name);
            if name.starts_with(prefix) && name.ends_with(suffix) {
                newest = newest.max(Some(format!("{folder}/{name}")));
            }
        }
        Ok(newest)
    }

    /// As [`Self::newest`], and absent is an error.
    pub(crate) fn needed(
        &self,
        folder: &str,
        prefix: &str,
        suffix: &str,
    ) -> Result<String, PackFileError> {
        self.newest(folder, prefix, suffix)?
            .ok_or_else(|| PackFileError::Absent {
                path: format!("{folder}/{prefix}*{suffix}"),
            })
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
