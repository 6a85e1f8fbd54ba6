//! `systeminfo.exe`: caption, build, system type and KB numbers. Labels are translated on other Windows; KB numbers, builds and
//! processor words are not, so those are looked for by their form.

/// Most updates.
const MAX_UPDATES: usize = 5_000;

/// What was printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// `KB5037589`, …
    pub(super) updates: Vec<String>,
    /// `x64`, `arm64`, `x86`; empty when unknown.
    pub(super) arch: &'static str,
}

/// Reads all of it; what has another form is left out.
pub(super) fn read(text: &str) -> Info {
    let mut updates: Vec<String> = text
        .lines()
        // `[01]: KB5037589`
        .filter_map(|line| line.trim().strip_prefix('[')?.split_once("]:"))
        .filter_map(|(_, rest)| {
            let word = rest.split_whitespace().next()?;
            let digits = word.strip_prefix("KB")?;
            let is_number =
                (4..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| word.to_owned())
        })
        .take(MAX_UPDATES)
        .collect();
    updates.sort();
    updates.dedup();
    let arch = [("x64-", "x64"), ("ARM64-", "arm64"), ("X86-", "x86")]
        .into_iter()
        .find(|(word, _)| {
            text.lines().any(|line| {
                line.split(':')
                    .nth(1)
                    .is_some_and(|value| value.trim().starts_with(word))
            })
        })
        .map_or("", |(_, arch)| arch);
    Info { updates, arch }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_known_by_their_form() {
        let text = "Hotfix(s): 2\r\n   [01]: KB5037589\r\n   [02]: KB5037589\r\n   [03]: Realtek KB1234\r\n   [04]: KB12\r\n   [05]: KB99999999999\r\n   [06]: KBabcdef\r\nSystemtyp:  ARM64-basierter PC\r\n";
        let info = read(text);
        assert_eq!(
            (info.updates.as_slice(), info.arch),
            (&["KB5037589".to_owned()][..], "arm64")
        );
        assert_eq!(read(""), Info::default());
    }
}
