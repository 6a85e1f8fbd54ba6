//! Reading a feed line by line, totally: a broken line is skipped and counted, and the first reason is kept.

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
pub fn parse_lines<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Parsed<T> {
    let mut parsed = Parsed::default();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let outcome = if line.len() > MAX_LINE_BYTES {
            Err(format!("longer than {MAX_LINE_BYTES} bytes"))
        } else {
            read(line)
        };
        match outcome {
            Ok(record) => parsed.records.push(record),
            Err(reason) => parsed.skip(format_args!("line {}: {reason}", number + 1)),
        }
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_lines_are_counted_and_the_first_reason_kept() {
        let parsed = parse_lines("1\n\nx\n2\ny\n", |line| {
            line.parse::<u8>().map_err(|error| error.to_string())
        });
        assert_eq!(parsed.records, [1, 2]);
        assert_eq!(parsed.skipped, 2);
        assert!(parsed.problem.expect("a reason").starts_with("line 3: "));
    }

    #[test]
    fn an_endless_line_is_skipped() {
        let text = "1".repeat(MAX_LINE_BYTES + 1);
        let parsed = parse_lines(&text, |line| Ok(line.len()));
        assert_eq!((parsed.records.len(), parsed.skipped), (0, 1));
    }
}
