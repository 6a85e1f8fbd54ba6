//! A database of bbolt (<https://github.com/etcd-io/bbolt>, file format 2), read from its bytes: buckets in buckets, keys with values.
//!
//! The daemon that owns it may write meanwhile. It writes new pages beside those of the last transaction and names them by one of two
//! meta pages at the end; so bytes that were read between two equal looks at the meta pages are those of one transaction.
//! Reading is total: what does not fit is an error. Pages of a hostile file may name each other in any way; so besides the depth
//! all that is ever looked at in one database is counted, and at the limit there is an error.

use std::cell::Cell;
use std::ops::Range;

/// What a meta page begins with.
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes before a page's elements.
const PAGE_HEADER: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// A leaf's element that is a bucket.
const BUCKET: u32 = 0x01;
/// Bytes of a bucket's value before its inline page.
const BUCKET_HEADER: usize = 16;
/// Most pages between a bucket's root and a leaf.
const MAX_DEPTH: usize = 32;
/// Most elements of one bucket.
const MAX_ELEMENTS: usize = 200_000;
/// Most pages and elements that are looked at in one database, however often the same.
const MAX_LOOKS: usize = 10_000_000;
/// Both meta pages lie within so many bytes: pages are at most 64 KiB.
pub(super) const META_BYTES: u64 = 2 << 16;

/// A database.
#[derive(Debug)]
pub(super) struct Bolt {
    bytes: Vec<u8>,
    page_size: usize,
    root: u64,
    /// Looks that are left of [`MAX_LOOKS`].
    left: Cell<usize>,
}

/// A bucket of a database.
#[derive(Clone, Debug)]
pub(super) struct Bucket<'a> {
    bolt: &'a Bolt,
    root: Root<'a>,
}

#[derive(Clone, Debug)]
enum Root<'a> {
    Page(u64),
    /// A small bucket lies in its parent's leaf.
    Inline(&'a [u8]),
}

/// What a key stands for.
#[derive(Clone, Debug)]
pub(super) enum Entry<'a> {
    Value(&'a [u8]),
    Bucket(Bucket<'a>),
}

fn torn() -> String {
    "the database is torn, or none".to_owned()
}

fn take(bytes: &[u8], range: Range<usize>) -> Result<&[u8], String> {
    bytes.get(range).ok_or_else(torn)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], String> {
    let range = at..at.checked_add(N).ok_or_else(torn)?;
    take(bytes, range)?.try_into().map_err(|_| torn())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    Ok(u16::from_le_bytes(number(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    Ok(u32::from_le_bytes(number(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    Ok(u64::from_le_bytes(number(bytes, at)?))
}

fn size(number: u32) -> Result<usize, String> {
    usize::try_from(number).map_err(|_| torn())
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Page size, root page and transaction of a meta page that holds.
fn meta(bytes: &[u8], page: usize) -> Option<(usize, u64, u64)> {
    let at = page + PAGE_HEADER;
    let meta = bytes.get(at..at + 64)?;
    let holds = u32_at(meta, 0).ok()? == MAGIC
        && u32_at(meta, 4).ok()? == VERSION
        && checksum(&meta[..56]) == u64_at(meta, 56).ok()?;
    let page_size = usize::try_from(u32_at(meta, 8).ok()?).ok()?;
    if !holds || !page_size.is_power_of_two() || !(1 << 10..=1 << 16).contains(&page_size) {
        return None;
    }
    Some((page_size, u64_at(meta, 16).ok()?, u64_at(meta, 48).ok()?))
}

/// The number of the last transaction, from the first [`META_BYTES`] of a database.
pub(super) fn transaction(head: &[u8]) -> Option<u64> {
    newest(head).map(|(_, _, transaction)| transaction)
}

fn newest(bytes: &[u8]) -> Option<(usize, u64, u64)> {
    let first = meta(bytes, 0);
    let second = match first {
        Some((page_size, ..)) => meta(bytes, page_size),
        // Only the second holds: its place depends on the page size, which it says itself.
        None => (10..=16).find_map(|power| {
            meta(bytes, 1 << power).filter(|(page_size, ..)| *page_size == 1 << power)
        }),
    };
    first
        .into_iter()
        .chain(second)
        .max_by_key(|(_, _, transaction)| *transaction)
}

impl Bolt {
    /// Of a database's bytes.
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let (page_size, root, _) = newest(&bytes).ok_or_else(torn)?;
        Ok(Self {
            bytes,
            page_size,
            root,
            left: Cell::new(MAX_LOOKS),
        })
    }

    /// The bucket of all buckets.
    pub(super) fn root(&self) -> Bucket<'_> {
        Bucket {
            bolt: self,
            root: Root::Page(self.root),
        }
    }

    fn page(&self, id: u64) -> Result<&[u8], String> {
        let id = usize::try_from(id).map_err(|_| torn())?;
        let from = id.checked_mul(self.page_size).ok_or_else(torn)?;
        let first = take(&self.bytes, from..from.saturating_add(self.page_size))?;
        let more = size(u32_at(first, 12)?)?;
        let whole = more
            .checked_add(1)
            .and_then(|pages| pages.checked_mul(self.page_size))
            .and_then(|length| from.checked_add(length))
            .ok_or_else(torn)?;
        take(&self.bytes, from..whole)
    }

    /// All of a page and below, in order of key.
    fn collect<'a>(
        &'a self,
        page: &'a [u8],
        depth: usize,
        found: &mut Vec<(&'a [u8], Entry<'a>)>,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH || found.len() > MAX_ELEMENTS {
            return Err(
                "the database is nested too deep, or has too much in one bucket".to_owned(),
            );
        }
        let (kind, count) = (u16_at(page, 8)?, usize::from(u16_at(page, 10)?));
        let left = self.left.get().checked_sub(count + 1);
        let left = left.ok_or("the database names its pages over and over")?;
        self.left.set(left);
        for element in 0..count {
            let at = PAGE_HEADER + element * 16;
            match kind {
                BRANCH => {
                    let below = self.page(u64_at(page, at + 8)?)?;
                    self.collect(below, depth + 1, found)?;
                }
                LEAF => {
                    let flags = u32_at(page, at)?;
                    let from = at
                        .checked_add(size(u32_at(page, at + 4)?)?)
                        .ok_or_else(torn)?;
                    let middle = from
                        .checked_add(size(u32_at(page, at + 8)?)?)
                        .ok_or_else(torn)?;
                    let to = middle
                        .checked_add(size(u32_at(page, at + 12)?)?)
                        .ok_or_else(torn)?;
                    let (key, value) = (take(page, from..middle)?, take(page, middle..to)?);
                    let entry = if flags & BUCKET == 0 {
                        Entry::Value(value)
                    } else {
                        let root = match u64_at(value, 0)? {
                            0 => Root::Inline(value.get(BUCKET_HEADER..).ok_or_else(torn)?),
                            page => Root::Page(page),
                        };
                        Entry::Bucket(Bucket { bolt: self, root })
                    };
                    found.push((key, entry));
                }
                _ => return Err(torn()),
            }
        }
        Ok(())
    }
}

impl<'a> Bucket<'a> {
    /// Everything in it, in order of key.
    pub(super) fn entries(&self) -> Result<Vec<(&'a [u8], Entry<'a>)>, String> {
        let page = match self.root {
            Root::Page(page) => self.bolt.page(page)?,
            Root::Inline(page) => page,
        };
        let mut found = Vec::new();
        self.bolt.collect(page, 0, &mut found)?;
        Ok(found)
    }

    /// The buckets in it, by name; what is not UTF-8 is left out.
    pub(super) fn buckets(&self) -> Result<Vec<(&'a str, Self)>, String> {
        let entries = self.entries()?.into_iter();
        Ok(entries
            .filter_map(|(key, entry)| match entry {
                Entry::Bucket(bucket) => Some((std::str::from_utf8(key).ok()?, bucket)),
                Entry::Value(_) => None,
            })
            .collect())
    }

    /// A bucket in it.
    pub(super) fn bucket(&self, name: &str) -> Result<Option<Self>, String> {
        let mut buckets = self.buckets()?.into_iter();
        Ok(buckets
            .find(|(key, _)| *key == name)
            .map(|(_, bucket)| bucket))
    }

    /// A value in it.
    pub(super) fn value(&self, name: &str) -> Result<Option<&'a [u8]>, String> {
        let found = self
            .entries()?
            .into_iter()
            .find_map(|(key, entry)| match entry {
                Entry::Value(value) if key == name.as_bytes() => Some(value),
                _ => None,
            });
        Ok(found)
    }

    /// A value in it that is text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        let value = self.value(name)?;
        Ok(value.and_then(|value| std::str::from_utf8(value).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database of one page size: two metas, a leaf with a value and an inline bucket.
    fn database() -> Vec<u8> {
        let mut bytes = vec![0; 4 * 4096];
        for (page, transaction) in [(0usize, 4u64), (1, 5)] {
            let at = page * 4096 + PAGE_HEADER;
            bytes[at..at + 4].copy_from_slice(&MAGIC.to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&VERSION.to_le_bytes());
            bytes[at + 8..at + 12].copy_from_slice(&4096u32.to_le_bytes());
            bytes[at + 16..at + 24].copy_from_slice(&3u64.to_le_bytes());
            bytes[at + 48..at + 56].copy_from_slice(&transaction.to_le_bytes());
            let sum = checksum(&bytes[at..at + 56]);
            bytes[at + 56..at + 64].copy_from_slice(&sum.to_le_bytes());
        }
        let leaf = 3 * 4096;
        let page = |at: usize, bytes: &mut Vec<u8>, elements: &[(u32, &[u8], &[u8])]| {
            bytes[at + 8..at + 10].copy_from_slice(&LEAF.to_le_bytes());
            let count = u16::try_from(elements.len()).unwrap();
            bytes[at + 10..at + 12].copy_from_slice(&count.to_le_bytes());
            let mut data = at + PAGE_HEADER + elements.len() * 16;
            for (number, (flags, key, value)) in elements.iter().enumerate() {
                let element = at + PAGE_HEADER + number * 16;
                let numbers = [data - element, key.len(), value.len()];
                bytes[element..element + 4].copy_from_slice(&flags.to_le_bytes());
                for (place, number) in numbers.into_iter().enumerate() {
                    let from = element + 4 + place * 4;
                    let number = u32::try_from(number).unwrap();
                    bytes[from..from + 4].copy_from_slice(&number.to_le_bytes());
                }
                bytes[data..data + key.len()].copy_from_slice(key);
                data += key.len();
                bytes[data..data + value.len()].copy_from_slice(value);
                data += value.len();
            }
        };
        let mut inline = vec![0; BUCKET_HEADER + 64];
        page(BUCKET_HEADER, &mut inline, &[(0, b"k", b"deep")]);
        page(
            leaf,
            &mut bytes,
            &[(BUCKET, b"b", &inline), (0, b"v", b"1")],
        );
        bytes
    }

    #[test]
    fn values_and_buckets_are_found() {
        let bolt = Bolt::open(database()).expect("a database");
        assert_eq!(bolt.root().value("v").expect("read"), Some(&b"1"[..]));
        let bucket = bolt.root().bucket("b").expect("read").expect("a bucket");
        assert_eq!(bucket.value("k").expect("read"), Some(&b"deep"[..]));
        assert!(bolt.root().bucket("v").expect("read").is_none());
        assert_eq!(transaction(&database()), Some(5));
        // A meta page that was cut off while it was written does not count.
        for (page, left) in [(0, 5), (1, 4)] {
            let mut bytes = database();
            bytes[page * 4096 + PAGE_HEADER + 20] ^= 1;
            assert_eq!(transaction(&bytes), Some(left));
        }
    }

    #[test]
    fn what_is_torn_is_an_error_and_circles_end() {
        let whole = database();
        for length in [0, 1, 100, 4096, 2 * 4096, 3 * 4096 + 20] {
            let read = Bolt::open(whole[..length].to_vec());
            let read = read.and_then(|bolt| bolt.root().entries().map(|found| found.len()));
            assert!(read.is_err(), "{length}");
        }
        // Every byte of the leaf turned around: an answer or an error, never a panic.
        for at in 3 * 4096..3 * 4096 + 160 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            if let Ok(bolt) = Bolt::open(bytes)
                && let Ok(Some(bucket)) = bolt.root().bucket("b")
            {
                let _ = bucket.entries();
            }
        }
        let mut bytes = whole;
        let leaf = 3 * 4096;
        bytes[leaf + 8..leaf + 10].copy_from_slice(&BRANCH.to_le_bytes());
        bytes[leaf + 16 + 8..leaf + 16 + 16].copy_from_slice(&3u64.to_le_bytes());
        let bolt = Bolt::open(bytes).expect("a database");
        assert!(bolt.root().entries().is_err());
    }

    /// A page of branches, each to the same next page, and so on to a leaf without elements: few pages, endless ways.
    #[test]
    fn a_labyrinth_ends_at_the_limit() {
        let mut bytes = database();
        bytes.resize(24 * 4096, 0);
        for page in 3..23usize {
            let at = page * 4096;
            bytes[at + 8..at + 10].copy_from_slice(&BRANCH.to_le_bytes());
            bytes[at + 10..at + 12].copy_from_slice(&255u16.to_le_bytes());
            for element in 0..255 {
                let below = at + PAGE_HEADER + element * 16 + 8;
                let next = u64::try_from(page + 1).unwrap();
                bytes[below..below + 8].copy_from_slice(&next.to_le_bytes());
            }
        }
        let leaf = 23 * 4096;
        bytes[leaf + 8..leaf + 10].copy_from_slice(&LEAF.to_le_bytes());
        let bolt = Bolt::open(bytes).expect("a database");
        let error = bolt.root().entries().expect_err("endless");
        assert!(error.contains("over and over"), "{error}");
    }

    #[test]
    fn huge_counts_and_lengths_are_errors() {
        let leaf = 3 * 4096;
        // Elements, further pages of a page, where a key lies, and lengths of key and value.
        for (at, width) in [(10, 2), (12, 4), (20, 4), (24, 4), (28, 4)] {
            let mut bytes = database();
            bytes[leaf + at..leaf + at + width].fill(0xff);
            let bolt = Bolt::open(bytes).expect("a database");
            assert!(bolt.root().entries().is_err(), "{at}");
        }
        // A root beyond the file, and at the end of numbers.
        for root in [4, u64::MAX, u64::MAX / 4096] {
            let mut bytes = database();
            let at = 4096 + PAGE_HEADER;
            bytes[at + 16..at + 24].copy_from_slice(&root.to_le_bytes());
            let sum = checksum(&bytes[at..at + 56]);
            bytes[at + 56..at + 64].copy_from_slice(&sum.to_le_bytes());
            let bolt = Bolt::open(bytes).expect("a database");
            assert!(bolt.root().entries().is_err(), "{root}");
        }
    }
}
