//! ELF files (elf(5)), as far as sections and segments: total, and bounded whatever the headers claim.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Most sections, and most segments.
const MAX_HEADERS: usize = 4_096;
/// Longest table of names, bytes.
const MAX_NAMES_BYTES: u64 = 1 << 20;
/// Longest part that is read at once, bytes.
const MAX_PART_BYTES: u64 = 4 << 20;

/// An ELF file.
pub(super) struct Elf {
    file: File,
    size: u64,
    is_64: bool,
    is_big: bool,
    sections: Vec<Section>,
    segments: Vec<Segment>,
}

struct Section {
    name: Vec<u8>,
    offset: u64,
    size: u64,
}

struct Segment {
    is_writable: bool,
    offset: u64,
    address: u64,
    size: u64,
}

/// Numbers of a header in its byte order.
struct Header<'a> {
    bytes: &'a [u8],
    is_big: bool,
}

impl Header<'_> {
    fn number(&self, at: usize, length: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(length)?)?;
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.is_big {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        })
    }
}

impl Elf {
    /// Reads the headers; `None` when the file is no ELF file, or its headers lead out of it.
    pub(super) fn read(file: File) -> Option<Self> {
        let size = file.metadata().ok()?.len();
        let mut start = [0; 64];
        file.read_exact_at(&mut start, 0).ok()?;
        let is_64 = match start[4] {
            1 => false,
            2 => true,
            _ => return None,
        };
        let is_big = match start[5] {
            1 => false,
            2 => true,
            _ => return None,
        };
        if start[..4] != *b"\x7fELF" {
            return None;
        }
        let header = Header {
            bytes: &start,
            is_big,
        };
        let fields = |at_64: usize, at_32: usize, word: bool| {
            let length = match (word, is_64) {
                (false, _) => 2,
                (true, true) => 8,
                (true, false) => 4,
            };
            header.number(if is_64 { at_64 } else { at_32 }, length)
        };
        let mut elf = Self {
            file,
            size,
            is_64,
            is_big,
            sections: Vec::new(),
            segments: Vec::new(),
        };
        let (segments, segment_size, segment_count) = (
            fields(32, 28, true)?,
            fields(54, 42, false)?,
            fields(56, 44, false)?,
        );
        let (sections, section_size, section_count, names) = (
            fields(40, 32, true)?,
            fields(58, 46, false)?,
            fields(60, 48, false)?,
            fields(62, 50, false)?,
        );
        elf.segments = elf
            .table(segments, segment_size, segment_count)?
            .iter()
            .filter_map(|bytes| elf.segment(bytes))
            .collect();
        let table = elf.table(sections, section_size, section_count)?;
        elf.sections = elf.sections(&table, names);
        Some(elf)
    }

    /// Rows of a table of headers; none when there is no table.
    fn table(&self, offset: u64, row: u64, count: u64) -> Option<Vec<Vec<u8>>> {
        let (row, count) = (usize::try_from(row).ok()?, usize::try_from(count).ok()?);
        if offset == 0 || count == 0 || row == 0 {
            return Some(Vec::new());
        }
        if count > MAX_HEADERS || row > 256 {
            return None;
        }
        let bytes = self.part(offset, (row * count) as u64)?;
        Some(bytes.chunks_exact(row).map(<[u8]>::to_vec).collect())
    }

    fn segment(&self, bytes: &[u8]) -> Option<Segment> {
        let header = Header {
            bytes,
            is_big: self.is_big,
        };
        let (flags, offset, address, size) = if self.is_64 {
            (4, 8, 16, 32)
        } else {
            (24, 4, 8, 16)
        };
        let word = if self.is_64 { 8 } else { 4 };
        // PT_LOAD
        (header.number(0, 4)? == 1).then_some(Segment {
            is_writable: header.number(flags, 4)? & 2 != 0,
            offset: header.number(offset, word)?,
            address: header.number(address, word)?,
            size: header.number(size, word)?,
        })
    }

    fn sections(&self, table: &[Vec<u8>], names: u64) -> Vec<Section> {
        let word = if self.is_64 { 8 } else { 4 };
        let (offset, size) = if self.is_64 { (24, 32) } else { (16, 20) };
        let place = |row: &Vec<u8>| {
            let header = Header {
                bytes: row,
                is_big: self.is_big,
            };
            let name = usize::try_from(header.number(0, 4)?).ok()?;
            Some((
                name,
                header.number(offset, word)?,
                header.number(size, word)?,
            ))
        };
        let texts = usize::try_from(names)
            .ok()
            .and_then(|names| place(table.get(names)?))
            .filter(|(_, _, size)| *size <= MAX_NAMES_BYTES)
            .and_then(|(_, offset, size)| self.part(offset, size))
            .unwrap_or_default();
        let named = |row: &Vec<u8>| {
            let (name, offset, size) = place(row)?;
            let rest = texts.get(name..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            // Longer names are not ours.
            let name = rest.get(..end).filter(|name| name.len() <= 64)?.to_vec();
            Some(Section { name, offset, size })
        };
        table.iter().filter_map(named).collect()
    }

    /// Bytes of the file; `None` when it does not have them, or when they are too many.
    pub(super) fn part(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        if length > MAX_PART_BYTES || offset.checked_add(length)? > self.size {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// What stands behind an offset, at most so many bytes.
    pub(super) fn behind(&self, offset: u64, most: u64) -> Option<Vec<u8>> {
        self.part(offset, self.size.checked_sub(offset)?.min(most))
    }

    /// Where a section lies and how long it is.
    pub(super) fn section(&self, name: &str) -> Option<(u64, u64)> {
        self.sections
            .iter()
            .find(|section| section.name == name.as_bytes())
            .map(|section| (section.offset, section.size))
    }

    /// Where writable data begins in the file.
    pub(super) fn data(&self) -> impl Iterator<Item = (u64, u64)> {
        self.segments
            .iter()
            .filter(|segment| segment.is_writable)
            .map(|segment| (segment.offset, segment.size))
    }

    /// Bytes at an address of the running program.
    pub(super) fn at_address(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let holds = |segment: &&Segment| {
            address >= segment.address
                && address - segment.address < segment.size
                && length <= segment.size - (address - segment.address)
        };
        let segment = self.segments.iter().find(holds)?;
        let offset = segment.offset.checked_add(address - segment.address)?;
        self.part(offset, length)
    }
}
