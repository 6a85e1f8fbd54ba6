//! Reading a feed line by line, totally: a broken line is skipped and counted, and the first reason is kept.

use std::io::BufRead;

/// Longest line of a feed, bytes. The longest real record has some 40 KiB.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// What was read from a feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<T> {
    /// The readable records, in order.
    pub records: Vec<T>,
    /// How many were skipped.
    pub skipped: u64,
    /// Why the first one was.
    pub problem: Option<String>,
}

impl<T> Default for Parsed<T> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            skipped: 0,
            problem: None,
        }
    }
}

impl<T> Parsed<T> {
    /// Counts a skipped record; keeps the first reason, cut at 300 characters.
    pub fn skip(&mut self, reason: impl std::fmt::Display) {
        self.skipped += 1;
        if self.problem.is_none() {
            self.problem = Some(reason.to_string().chars().take(300).collect());
        }
    }
}

/// Reads each line that is not blank with `read`.
pub fn parse_lines<T>(
    from: impl BufRead,
    read: impl FnMut(&str) -> Result<T, String>,
) -> std::io::Result<Parsed<T>> {
    parse_lines_up_to(from, MAX_LINE_BYTES, read)
}

/// The same with lines of up to `max` bytes.
pub fn parse_lines_up_to<T>(
    from: impl BufRead,
    max: usize,
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> std::io::Result<Parsed<T>> {
    let mut parsed = Parsed::default();
    for_each_line(from, max, |number, line| {
        let outcome = match line.map(std::str::from_utf8) {
            Some(Ok(line)) if line.trim().is_empty() => return,
            Some(Ok(line)) => read(line),
            Some(Err(_)) => Err("not UTF-8".to_owned()),
            None => Err(format!("longer than {max} bytes")),
        };
        match outcome {
            Ok(record) => parsed.records.push(record),
            Err(reason) => parsed.skip(format_args!("line {number}: {reason}")),
        }
    })?;
    Ok(parsed)
}

/// Calls `each` with the number (from 1) and the bytes of every line, without its end; with no bytes for one that is longer than
/// `max` bytes. Memory stays at one line.
pub fn for_each_line(
    mut from: impl BufRead,
    max: usize,
    mut each: impl FnMut(u64, Option<&[u8]>),
) -> std::io::Result<()> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut is_long = false;
        let mut is_end = true;
        loop {
            let part = from.fill_buf()?;
            if part.is_empty() {
                break;
            }
            is_end = false;
            let end = part.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(part.len());
            is_long |= line.len() + length > max;
            if !is_long {
                line.extend_from_slice(&part[..length]);
            }
            from.consume(length + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        if is_end {
            break;
        }
        each(number, (!is_long).then_some(line.as_slice()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_a_long_one_without_its_bytes() {
        let mut seen = Vec::new();
        let from = std::io::BufReader::with_capacity(3, b"ab\n\nabcdef\r\nx".as_slice());
        for_each_line(from, 5, |number, line| {
            seen.push((number, line.map(<[u8]>::to_vec)));
        })
        .expect("memory");
        assert_eq!(
            seen,
            [
                (1, Some(b"ab".to_vec())),
                (2, Some(Vec::new())),
                (3, None),
                (4, Some(b"x".to_vec()))
            ]
        );
    }

    #[test]
    fn broken_lines_are_counted_and_the_first_reason_kept() {
        let parsed = parse_lines(b"1\n\nx\n2\ny\n\xff\n".as_slice(), |line| {
            line.parse::<u8>().map_err(|error| error.to_string())
        })
        .expect("memory");
        assert_eq!(parsed.records, [1, 2]);
        assert_eq!(parsed.skipped, 3);
        assert!(parsed.problem.expect("a reason").starts_with("line 3: "));
    }

    #[test]
    fn an_endless_line_is_skipped() {
        let text = "1".repeat(MAX_LINE_BYTES + 1);
        let parsed = parse_lines(text.as_bytes(), |line| Ok(line.len())).expect("memory");
        assert_eq!((parsed.records.len(), parsed.skipped), (0, 1));
    }
}
