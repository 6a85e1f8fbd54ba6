//! CSV files (RFC 4180).

/// A file with a header; `guard` protects cells that a spreadsheet would run as a formula by a leading apostrophe.
/// That changes data, so it is the caller's choice.
pub(crate) fn to_csv(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    guard: bool,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(
            row.iter()
                .map(|cell| if guard { guarded(cell) } else { cell.clone() }),
        )?;
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

/// OWASP: a cell that starts with `= + - @`, tab or carriage return may be run.
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_guarded_only_when_asked() {
        let rows = || vec![vec!["=1+1".to_owned(), "a,\"b\"\r\nc".to_owned()]];
        let plain = to_csv(&["one", "two"], rows(), false).expect("csv");
        assert_eq!(
            String::from_utf8_lossy(&plain),
            "one,two\r\n=1+1,\"a,\"\"b\"\"\r\nc\"\r\n"
        );
        let guarded = to_csv(&["one", "two"], rows(), true).expect("csv");
        assert!(String::from_utf8_lossy(&guarded).contains("'=1+1"));
        let mut read = csv::Reader::from_reader(guarded.as_slice());
        let record = read.records().next().expect("a row").expect("csv");
        assert_eq!(&record[1], "a,\"b\"\r\nc");
    }
}
