//! Commands that answer each line of standard input with one line on standard output, in constant memory.
//!
//! No line ends the run: one that cannot be answered is answered with `invalid`, and the exit code says so at the end. What
//! has been answered is written before the program waits for more input, and not line by line otherwise.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

/// A longer line is `invalid`; it is passed over without being kept.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;
/// How many lines are named on standard error.
const MAX_NAMED: u64 = 20;

/// Why a line has no answer.
pub(crate) enum Unanswered {
    /// It reads well, but what it holds is not valid.
    Invalid,
    /// It does not even have the form of a question; the words go to standard error with its number.
    Malformed(&'static str),
}

/// Answers standard input with `answer`, which appends to the line.
///
/// 0 when every line was answered, 3 when some were not. A reader that goes away ends the run quietly.
pub(crate) fn answer(
    answer: impl FnMut(&str, &mut Vec<u8>) -> Result<(), Unanswered>,
) -> anyhow::Result<ExitCode> {
    let counts = match run(
        io::stdin().lock(),
        io::stdout().lock(),
        io::stderr(),
        answer,
    ) {
        Ok(counts) => counts,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(error.into()),
    };
    Ok(if counts.invalid == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

/// How many lines there were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    all: u64,
    invalid: u64,
}

fn run(
    input: impl Read,
    output: impl Write,
    mut complaints: impl Write,
    mut answer: impl FnMut(&str, &mut Vec<u8>) -> Result<(), Unanswered>,
) -> io::Result<Counts> {
    let mut input = BufReader::with_capacity(MAX_LINE_BYTES, input);
    let mut output = BufWriter::with_capacity(MAX_LINE_BYTES, output);
    let (mut line, mut reply) = (Vec::new(), Vec::new());
    let (mut counts, mut malformed) = (Counts::default(), 0);
    while let Some(fits) = next_line(&mut input, &mut line, || output.flush())? {
        counts.all += 1;
        reply.clear();
        let answered = match std::str::from_utf8(&line) {
            _ if !fits => Err(Unanswered::Malformed("longer than 64 KiB")),
            Ok(line) => answer(line.strip_suffix('\r').unwrap_or(line), &mut reply),
            Err(_) => Err(Unanswered::Malformed("not UTF-8")),
        };
        if let Err(unanswered) = answered {
            counts.invalid += 1;
            reply.clear();
            reply.extend_from_slice(b"invalid");
            if let Unanswered::Malformed(reason) = unanswered {
                malformed += 1;
                if malformed <= MAX_NAMED {
                    // Without standard error the answers still count.
                    let _ = writeln!(complaints, "netpatch: line {}: {reason}", counts.all);
                }
            }
        }
        reply.push(b'\n');
        output.write_all(&reply)?;
    }
    output.flush()?;
    if malformed > MAX_NAMED {
        let more = malformed - MAX_NAMED;
        let _ = writeln!(complaints, "netpatch: and {more} more lines like these");
    }
    Ok(counts)
}

/// Reads a line without its end; `None` at the end of input, false for one that is too long.
fn next_line<R: Read>(
    input: &mut BufReader<R>,
    line: &mut Vec<u8>,
    mut before_waiting: impl FnMut() -> io::Result<()>,
) -> io::Result<Option<bool>> {
    line.clear();
    let (mut fits, mut begun) = (true, false);
    loop {
        if input.buffer().is_empty() {
            before_waiting()?;
        }
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if chunk.is_empty() {
            return Ok(begun.then_some(fits));
        }
        begun = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        fits &= line.len() + part.len() <= MAX_LINE_BYTES;
        if fits {
            line.extend_from_slice(part);
        }
        let consumed = part.len() + usize::from(end.is_some());
        input.consume(consumed);
        if end.is_some() {
            return Ok(Some(fits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with the line's length.
    fn measure(input: impl Read) -> (Counts, String, String) {
        let (mut output, mut complaints) = (Vec::new(), Vec::new());
        let counts = run(input, &mut output, &mut complaints, |line, reply| {
            match line {
                "?" => return Err(Unanswered::Invalid),
                "" => return Err(Unanswered::Malformed("nothing")),
                _ => write!(reply, "{}", line.len()),
            }
            .map_err(|_| Unanswered::Invalid)
        });
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (counts.unwrap(), text(output), text(complaints))
    }

    #[test]
    fn every_line_has_one_answer() {
        let (counts, output, complaints) = measure(&b"ab\r\n\n?\n\xff\nlast"[..]);
        assert_eq!(output, "2\ninvalid\ninvalid\ninvalid\n4\n");
        assert_eq!(
            complaints,
            "netpatch: line 2: nothing\nnetpatch: line 4: not UTF-8\n"
        );
        assert_eq!(counts, Counts { all: 5, invalid: 3 });
        assert_eq!(measure(&b""[..]).0, Counts::default());
    }

    #[test]
    fn a_line_may_have_64_kib_and_no_more() {
        let line = |bytes| "x".repeat(bytes) + "\n";
        let input = line(MAX_LINE_BYTES) + &line(MAX_LINE_BYTES + 1) + &line(1 << 20) + "y\n";
        let (_, output, complaints) = measure(input.as_bytes());
        assert_eq!(output, "65536\ninvalid\ninvalid\n1\n");
        assert_eq!(complaints.matches("longer than 64 KiB").count(), 2);
    }

    #[test]
    fn many_bad_lines_are_not_all_named() {
        let (counts, _, complaints) = measure("\n".repeat(1000).as_bytes());
        assert_eq!(counts.invalid, 1000);
        assert_eq!(complaints.lines().count(), 21);
        assert!(complaints.ends_with("and 980 more lines like these\n"));
    }
}
