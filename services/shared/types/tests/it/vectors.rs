//! The files of `tests/data`, line by line.

use std::cmp::Ordering;
use std::path::Path;

/// The text of a file, kept as it is or compressed (`.zst`).
pub(crate) fn read(folder: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(folder);
    let bytes = std::fs::read(folder.join(name)).or_else(|_| {
        let packed = std::fs::read(folder.join(format!("{name}.zst")))?;
        zstd::decode_all(&packed[..])
    });
    String::from_utf8(bytes.unwrap_or_else(|error| panic!("{name}: {error}"))).expect("UTF-8")
}

/// Lines without the headline.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip_while(|line| line.starts_with('#'))
        .filter(|line| !line.is_empty())
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) line: &'a str,
    pub(crate) left: &'a str,
    pub(crate) right: &'a str,
    pub(crate) expected: Ordering,
}

/// `a<TAB>b<TAB>-1|0|1` or `a<TAB><|=|><TAB>b`.
pub(crate) fn cases<'a>(text: &'a str) -> Vec<Case<'a>> {
    let case = |line: &'a str| {
        let mut parts = line.split('\t');
        let [a, b, c] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        let (right, sign) = match b {
            "<" | "=" | ">" | "~" | "<~" | "!~" => (c, b),
            _ => (b, c),
        };
        let expected = match sign {
            "-1" | "<" => Ordering::Less,
            "0" | "=" => Ordering::Equal,
            "1" | ">" => Ordering::Greater,
            // apk's fuzzy match, which is no comparison.
            "~" | "<~" | "!~" => return None,
            _ => panic!("{line:?}"),
        };
        Some(Case {
            line,
            left: a,
            right,
            expected,
        })
    };
    lines(text).filter_map(case).collect()
}

/// Compares what differs with the lines of `differences.tsv` for this test: `test<TAB>class<TAB>file<TAB>here<TAB>line`.
///
/// The classes and their reasons are in the README beside it.
pub(crate) fn assert_only_known_differences(test: &str, found: &[String]) {
    let text = read("versions", "differences.tsv");
    let known: Vec<_> = lines(&text)
        .filter_map(|line| {
            line.strip_prefix(test)?
                .strip_prefix('\t')?
                .split_once('\t')
        })
        .map(|(class, line)| {
            let reason = format!("| {class} |");
            assert!(read("versions", "README.md").contains(&reason), "{class}");
            line
        })
        .collect();
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    let new: Vec<_> = found.iter().filter(|line| !known.contains(line)).collect();
    let gone: Vec<_> = known.iter().filter(|line| !found.contains(line)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "new differences:\n{new:#?}\nno longer different:\n{gone:#?}"
    );
}
