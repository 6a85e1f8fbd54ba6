//! rpm's database inside an image: the table `Packages` of an SQLite file, a header a row (rpm 4.16 and later).
//!
//! Read by hand, because an image's database must not be written to, locked or run: neither rpm nor SQLite opens it. What stands
//! in a write-ahead log beside it is not seen; rpm empties that when it ends.

mod header;
mod table;

/// An installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// `epoch:version-release`, without the epoch when there is none.
    pub(super) version: String,
    pub(super) arch: String,
    /// Source package's name; the package's own when it does not say.
    pub(super) source: String,
}

/// The packages of a database; an error when it is none, or is damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Package>, String> {
    let blobs = table::blobs(bytes, "Packages")?;
    // Keys that rpm trusts are rows too, without an architecture.
    let packages = blobs.iter().filter_map(|blob| header::package(blob));
    Ok(packages
        .filter(|package| !package.arch.is_empty())
        .collect())
}
