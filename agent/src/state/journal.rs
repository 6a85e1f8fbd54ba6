//! A run's journal on the disk: each entry is written and synced before the step that it announces.

use netpatch_agent_core::journal::{self, Encoder, Entry, JournalError, Record, Run};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A journal that cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalFault {
    /// The file system.
    #[error("cannot use the journal {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JournalError,
    },
    /// The file holds no whole entry.
    #[error("the journal {path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A run as its journal says it, for those who only read.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The run's folder.
    pub folder: PathBuf,
    /// The run as far as it is written.
    pub run: Run,
}

/// Reads a journal that another task may be writing: a line that is not whole yet is left alone.
pub fn read(folder: &Path) -> Result<Recorded, JournalFault> {
    let path = folder.join("journal");
    let (run, _, _) = fold(&path)?;
    Ok(Recorded {
        folder: folder.to_owned(),
        run,
    })
}

/// The run, how many bytes are whole lines, and what is torn behind them.
fn fold(path: &Path) -> Result<(Run, journal::Decoded, usize), JournalFault> {
    let path = path.to_owned();
    let content = |source| JournalFault::Content {
        path: path.clone(),
        source,
    };
    let bytes = fs::read(&path).map_err(|source| JournalFault::Io {
        path: path.clone(),
        source,
    })?;
    let decoded = journal::decode(&bytes).map_err(content)?;
    let run = Run::fold(&decoded.entries)
        .map_err(content)?
        .ok_or_else(|| JournalFault::Empty { path: path.clone() })?;
    let torn_bytes = bytes.len() - decoded.whole_bytes;
    Ok((run, decoded, torn_bytes))
}

/// An open journal with the run that it describes. One task writes a journal; others use [`read`].
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    encoder: Encoder,
    run: Run,
}

impl Journal {
    /// Begins a run's folder with its order.
    pub fn create(folder: &Path, at_ms: i64, order: Record) -> Result<Self, JournalFault> {
        let path = folder.join("journal");
        let io = |source| JournalFault::Io {
            path: path.clone(),
            source,
        };
        let content = |source| JournalFault::Content {
            path: path.clone(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        let entry = Entry {
            v: journal::VERSION,
            seq: 1,
            at_ms,
            record: order,
        };
        let run = Run::begin(&entry).map_err(content)?;
        let mut encoder = Encoder::default();
        let line = encoder.encode(&entry).map_err(content)?;
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        file.write_all(&line).map_err(io)?;
        file.sync_all().map_err(io)?;
        for place in [Some(folder), folder.parent()].into_iter().flatten() {
            File::open(place)
                .and_then(|place| place.sync_all())
                .map_err(io)?;
        }
        Ok(Self {
            path,
            file,
            encoder,
            run,
        })
    }

    /// Opens a run's journal for writing; a torn end is cut off.
    pub fn open(folder: &Path) -> Result<Self, JournalFault> {
        let path = folder.join("journal");
        let io = |source| JournalFault::Io {
            path: path.clone(),
            source,
        };
        let (run, decoded, torn_bytes) = fold(&path)?;
        let file = File::options().append(true).open(&path).map_err(io)?;
        if torn_bytes > 0 {
            tracing::warn!(journal = %path.display(), torn_bytes, "the last line was torn and is cut off");
            file.set_len(decoded.whole_bytes as u64).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        Ok(Self {
            path,
            file,
            encoder: decoded.encoder,
            run,
        })
    }

    /// The run as far as it is written.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// Appends an entry and syncs. An entry that the run does not allow is an error and is not written. After an
    /// error of the disk the journal must be opened anew.
    pub fn append(&mut self, at_ms: i64, record: Record) -> Result<(), JournalFault> {
        let path = self.path.clone();
        let content = |source| JournalFault::Content {
            path: path.clone(),
            source,
        };
        let io = |source| JournalFault::Io {
            path: path.clone(),
            source,
        };
        let entry = Entry {
            v: journal::VERSION,
            seq: self.run.next_seq(),
            at_ms,
            record,
        };
        let mut next = self.run.clone();
        next.apply(&entry).map_err(content)?;
        let line = self.encoder.encode(&entry).map_err(content)?;
        self.file.write_all(&line).map_err(io)?;
        self.file.sync_data().map_err(io)?;
        self.run = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_agent_core::journal::OrderRecord;
    use netpatch_agent_core::{Input, RunState};
    use netpatch_types::Sha256;

    fn order() -> Record {
        Record::Order(OrderRecord {
            deployment: uuid::Uuid::nil(),
            wave: uuid::Uuid::nil(),
            sequence: 1,
            attempt: 1,
            order: Sha256::of(b""),
            envelope: String::new(),
        })
    }

    fn step(input: Input) -> Record {
        Record::Transition {
            input,
            message: String::new(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_and_the_run_goes_on() {
        let folder = tempfile::tempdir().expect("folder");
        let mut journal = Journal::create(folder.path(), 1, order()).expect("creates");
        journal.append(2, step(Input::Accept)).expect("appends");
        assert!(
            journal.append(3, step(Input::Verified)).is_err(),
            "an illegal step is not written"
        );
        journal
            .append(3, step(Input::BeginStaging))
            .expect("appends");
        let path = folder.path().join("journal");
        let length = fs::metadata(&path).expect("size").len();
        File::options()
            .write(true)
            .open(&path)
            .expect("file")
            .set_len(length - 9)
            .expect("tears");
        let torn = fs::metadata(&path).expect("size").len();
        let seen = read(folder.path()).expect("readable");
        assert_eq!(seen.run.state, RunState::Accepted);
        let length = fs::metadata(&path).expect("size").len();
        assert_eq!(length, torn, "a reader repairs nothing");
        let mut again = Journal::open(folder.path()).expect("opens");
        assert_eq!(again.run().state, RunState::Accepted);
        again.append(4, step(Input::BeginStaging)).expect("appends");
        assert_eq!(
            Journal::open(folder.path()).expect("opens").run().state,
            RunState::Staging
        );
    }
}
