//! As much of the SQLite file format (sqlite.org/fileformat2.html) as reading one table from its beginning to its end needs.
//!
//! Total and bounded: pages are visited a limited number of times, so a circle of pages ends; offsets that lead out of the file or
//! the page are errors.

/// Most pages that are looked at.
const MAX_PAGES: usize = 200_000;
/// Deepest tree; 2^64 rows fit into less.
const MAX_DEPTH: usize = 20;
/// Longest row, bytes.
const MAX_ROW_BYTES: usize = 16 << 20;
/// Most rows.
const MAX_ROWS: usize = 50_000;

/// A value of a row; others are not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Other,
}

struct File<'a> {
    bytes: &'a [u8],
    page: usize,
    usable: usize,
    left: usize,
    /// Bytes of rows that may still come: none lies in two rows.
    bytes_left: usize,
    rows: Vec<Vec<Value>>,
}

/// The bytes in each row of a table.
pub(super) fn blobs(bytes: &[u8], table: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut file = File::open(bytes)?;
    file.tree(1, 0)?;
    // type, name, tbl_name, rootpage, sql
    let schema = std::mem::take(&mut file.rows);
    let root = schema.iter().find_map(|row| match row.as_slice() {
        [
            Value::Bytes(kind),
            Value::Bytes(name),
            _,
            Value::Number(root),
            ..,
        ] if kind == b"table" && name == table.as_bytes() => usize::try_from(*root).ok(),
        _ => None,
    });
    let root = root.ok_or_else(|| format!("the database has no table {table}"))?;
    file.tree(root, 0)?;
    let of_row = |row: Vec<Value>| {
        row.into_iter().find_map(|value| match value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) | Value::Other => None,
        })
    };
    Ok(file.rows.into_iter().filter_map(of_row).collect())
}

fn damaged() -> String {
    "the database is damaged".to_owned()
}

impl<'a> File<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if !bytes.starts_with(b"SQLite format 3\0") || bytes.len() < 100 {
            return Err("not a database of SQLite".to_owned());
        }
        let page = match usize::from(u16::from_be_bytes([bytes[16], bytes[17]])) {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => size,
            _ => return Err(damaged()),
        };
        Ok(Self {
            bytes,
            page,
            usable: page - usize::from(bytes[20]),
            left: MAX_PAGES,
            bytes_left: bytes.len(),
            rows: Vec::new(),
        })
    }

    /// A page by its number, from 1.
    fn page(&mut self, number: usize) -> Result<&'a [u8], String> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or("the database has too many pages")?;
        let begin = number
            .checked_sub(1)
            .and_then(|before| before.checked_mul(self.page))
            .ok_or_else(damaged)?;
        let end = begin.checked_add(self.page).ok_or_else(damaged)?;
        self.bytes.get(begin..end).ok_or_else(damaged)
    }

    /// Every row below a page.
    fn tree(&mut self, number: usize, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(damaged());
        }
        let page = self.page(number)?;
        // The first page begins with the file's header.
        let at = if number == 1 { 100 } else { 0 };
        let kind = *page.get(at).ok_or_else(damaged)?;
        let cells = usize::from(half(page, at + 3).ok_or_else(damaged)?);
        let (is_leaf, first) = match kind {
            0x0d => (true, at + 8),
            0x05 => (false, at + 12),
            _ => return Err(damaged()),
        };
        for cell in 0..cells {
            let place = usize::from(half(page, first + 2 * cell).ok_or_else(damaged)?);
            let cell = page.get(place..).ok_or_else(damaged)?;
            if is_leaf {
                let row = self.row(cell)?;
                if self.rows.len() >= MAX_ROWS {
                    return Err(format!("the database has more than {MAX_ROWS} rows"));
                }
                self.rows.push(row);
            } else {
                self.tree(word(cell, 0).ok_or_else(damaged)?, depth + 1)?;
            }
        }
        if !is_leaf {
            self.tree(word(page, at + 8).ok_or_else(damaged)?, depth + 1)?;
        }
        Ok(())
    }

    /// A row; what does not fit into its page lies on others.
    fn row(&mut self, cell: &[u8]) -> Result<Vec<Value>, String> {
        let (length, rest) = varint(cell).ok_or_else(damaged)?;
        let (_, rest) = varint(rest).ok_or_else(damaged)?;
        let length = usize::try_from(length).map_err(|_| damaged())?;
        if length > MAX_ROW_BYTES {
            return Err(format!("a row has more than {MAX_ROW_BYTES} bytes"));
        }
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or_else(damaged)?;
        // "Cell Payload Overflow Pages"
        let most = self.usable.checked_sub(35).ok_or_else(damaged)?;
        let local = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let wanted = least + (length - least) % (self.usable - 4);
            if wanted <= most { wanted } else { least }
        };
        let mut payload = rest.get(..local).ok_or_else(damaged)?.to_vec();
        let mut next = if local < length {
            word(rest, local).ok_or_else(damaged)?
        } else {
            0
        };
        while payload.len() < length {
            let page = self.page(next)?;
            let part = (length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(page.get(4..4 + part).ok_or_else(damaged)?);
            next = word(page, 0).ok_or_else(damaged)?;
        }
        values(&payload).ok_or_else(damaged)
    }
}

/// "Record Format"
fn values(payload: &[u8]) -> Option<Vec<Value>> {
    let (header, _) = varint(payload)?;
    let header = usize::try_from(header).ok()?;
    let mut kinds = payload.get(..header)?;
    kinds = varint(kinds)?.1;
    let mut body = payload.get(header..)?;
    let mut all = Vec::new();
    while !kinds.is_empty() {
        let (kind, rest) = varint(kinds)?;
        kinds = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            other => usize::try_from((other - 12) / 2).ok()?,
        };
        let (part, rest) = body.split_at_checked(length)?;
        body = rest;
        all.push(match kind {
            1..=6 => Value::Number(
                part.iter()
                    .fold(0, |number, byte| number << 8 | u64::from(*byte)),
            ),
            8 => Value::Number(0),
            9 => Value::Number(1),
            12.. => Value::Bytes(part.to_vec()),
            _ => Value::Other,
        });
    }
    Some(all)
}

/// Seven bits a byte, the highest first; the ninth byte has eight.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    bytes.try_into().ok().map(u16::from_be_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    let number = bytes.try_into().ok().map(u32::from_be_bytes)?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        assert_eq!(varint(&[0x05, 9]), Some((5, &[9][..])));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, &[][..])));
        for odd in [&[][..], &[0x80], &[0xff; 8]] {
            assert_eq!(varint(odd), None);
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let mut circle = b"SQLite format 3\0\x02\x00".to_vec();
        circle.resize(512, 0);
        // An interior page whose only child is itself.
        circle[100] = 0x05;
        circle[111] = 1;
        for odd in [&b""[..], b"SQLite format 3\0", &[0; 512], &circle] {
            blobs(odd, "Packages").expect_err("refused");
        }
        let mut bad_size = circle.clone();
        bad_size[16] = 3;
        blobs(&bad_size, "Packages").expect_err("refused");
    }
}
