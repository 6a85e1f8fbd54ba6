//! The files of a pack: plain or zstd, checked against `SHA256SUMS` when it is there.

use netpatch_types::Sha256;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A file may hold this many bytes when unpacked. The largest real one has 14 MiB.
pub(crate) const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

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
        let bytes = match std::fs::read(self.dir.join(&path)) {
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
        let unpacked = if is_packed {
            let mut unpacked = Vec::new();
            let decoder = zstd::stream::read::Decoder::new(bytes.as_slice()).map_err(read)?;
            decoder
                .take(MAX_FILE_BYTES + 1)
                .read_to_end(&mut unpacked)
                .map_err(read)?;
            unpacked
        } else {
            bytes
        };
        if unpacked.len() as u64 > MAX_FILE_BYTES {
            return Err(PackFileError::TooLarge { path });
        }
        String::from_utf8(unpacked).map_err(|_| PackFileError::NotText { path })
    }

    /// The file of a folder whose name starts and ends so and sorts last (names carry dates); its name and text.
    pub(crate) fn newest(
        &self,
        folder: &str,
        prefix: &str,
        suffix: &str,
    ) -> Result<(String, String), PackFileError> {
        let read = |source| PackFileError::Read {
            path: folder.to_owned(),
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.dir.join(folder)).map_err(read)? {
            let name = entry
                .map_err(read)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            let name = name.strip_suffix(".zst").unwrap_or(&name);
            if name.starts_with(prefix) && name.ends_with(suffix) {
                names.push(name.to_owned());
            }
        }
        let name = names
            .into_iter()
            .max()
            .ok_or_else(|| PackFileError::Absent {
                path: format!("{folder}/{prefix}*{suffix}"),
            })?;
        let text = self.text(&format!("{folder}/{name}"))?;
        Ok((name, text))
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
