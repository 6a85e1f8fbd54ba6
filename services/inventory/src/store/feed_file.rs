//! The files of feeds as they came: those that are held, and those that wait for a person.

use crate::pack::FileSet;
use netpatch_storage::{CatalogTx, StorageResult, Tx};
use netpatch_types::Sha256;
use sea_orm::FromQueryResult;
use std::collections::BTreeMap;

/// Whether files are what the advisories were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The advisories were made of them.
    Held,
    /// They were refused or held back.
    Waiting,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    feed: String,
    path: String,
    bytes: Vec<u8>,
}

/// All files of a state, by feed.
pub(crate) async fn all<S>(tx: &Tx<S>, state: State) -> StorageResult<BTreeMap<String, FileSet>> {
    let rows: Vec<Row> = tx
        .all(
            "select feed, path, bytes from inventory.feed_files where state = $1 order by feed, path",
            [state.as_str().into()],
        )
        .await?;
    let mut all: BTreeMap<String, FileSet> = BTreeMap::new();
    for row in rows {
        let files = all.entry(row.feed).or_default();
        files.insert(row.path, row.bytes.into());
    }
    Ok(all)
}

/// Whether exactly these files of a feed are held.
pub(crate) async fn is_held<S>(tx: &Tx<S>, feed: &str, files: &FileSet) -> StorageResult<bool> {
    #[derive(FromQueryResult)]
    struct Row {
        path: String,
        digest: Vec<u8>,
    }
    let rows: Vec<Row> = tx
        .all(
            "select path, digest from inventory.feed_files where state = 'held' and feed = $1",
            [feed.into()],
        )
        .await?;
    let is_same = |row: &Row| {
        let offered = files.get(&row.path);
        offered.is_some_and(|bytes| Sha256::of(bytes).0.as_slice() == row.digest.as_slice())
    };
    Ok(rows.len() == files.len() && rows.iter().all(is_same))
}

/// Puts a feed's files in the place of those that were there.
pub(crate) async fn put(
    tx: &CatalogTx,
    state: State,
    feed: &str,
    files: &FileSet,
) -> StorageResult<()> {
    remove(tx, state, feed).await?;
    for (path, bytes) in files {
        tx.execute(
            "insert into inventory.feed_files (state, feed, path, digest, bytes) values ($1, $2, $3, $4, $5)",
            [
                state.as_str().into(),
                feed.into(),
                path.clone().into(),
                Sha256::of(bytes).0.to_vec().into(),
                bytes.to_vec().into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Removes a feed's files.
pub(crate) async fn remove(tx: &CatalogTx, state: State, feed: &str) -> StorageResult<()> {
    tx.execute(
        "delete from inventory.feed_files where state = $1 and feed = $2",
        [state.as_str().into(), feed.into()],
    )
    .await?;
    Ok(())
}
