//! deb822 stanzas: `Field: value` with continuation lines, separated by empty lines (deb822(5)).

use std::collections::BTreeMap;

/// One stanza; field names are lower case. Continuation lines keep their newline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stanza(BTreeMap<String, String>);

impl Stanza {
    /// A field's value; `""` when absent.
    #[must_use]
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// Source name and source version: `Source: name (version)`, else the package's own.
    #[must_use]
    pub(crate) fn source(&self) -> (String, String) {
        let source = self.get("source");
        let version = self.get("version").to_owned();
        match source.split_once('(') {
            Some((name, rest)) => (
                name.trim().to_owned(),
                rest.trim_end_matches(')').trim().to_owned(),
            ),
            None if source.is_empty() => (self.get("package").to_owned(), version),
            None => (source.trim().to_owned(), version),
        }
    }

    /// Every field, sorted by name.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Reads stanzas; lines that are neither field nor continuation are skipped.
#[must_use]
pub(crate) fn parse(text: &str) -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !fields.is_empty() {
                stanzas.push(Stanza(std::mem::take(&mut fields)));
            }
            last.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = fields.get_mut(&last) {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            last = name.to_ascii_lowercase();
            fields.insert(last.clone(), value.trim().to_owned());
        }
    }
    if !fields.is_empty() {
        stanzas.push(Stanza(fields));
    }
    stanzas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_with_continuations_and_sources() {
        let text = "Package: a\nVersion: 1-2+b1\nSource: src (1-2)\nConffiles:\n /etc/a abc\n /etc/b def\n\nPackage: b\nVersion: 3\n";
        let stanzas = parse(text);
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].source(), ("src".into(), "1-2".into()));
        assert_eq!(stanzas[0].get("conffiles"), "\n /etc/a abc\n /etc/b def");
        assert_eq!(stanzas[1].source(), ("b".into(), "3".into()));
        assert_eq!(parse("\n\n junk\nalso junk\n").len(), 0);
    }
}
