//! Which hashes a plan expects, by the name of the file that is asked for.
//!
//! A plan names files as they lie in the staging folder, a repository as it likes: an epoch is left out, a character is escaped. What is
//! left is compared. A wrong guess costs nothing but that the relay's help is of no use: every file is checked by its hash afterwards.

use netpatch_agent_core::plan::Plan;
use netpatch_types::Sha256;
use std::collections::HashMap;

/// Hashes by file name; none for a name that stands for two.
#[derive(Debug, Default)]
pub(super) struct Expected(HashMap<String, Option<Sha256>>);

impl Expected {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut expected: HashMap<String, Option<Sha256>> = HashMap::new();
        for item in &plan.items {
            let Some(sha256) = item.sha256.filter(|_| !item.file_name.is_empty()) else {
                continue;
            };
            let held = expected
                .entry(plain(&item.file_name))
                .or_insert(Some(sha256));
            if *held != Some(sha256) {
                *held = None;
            }
        }
        Self(expected)
    }

    pub(super) fn of_path(&self, path: &str) -> Option<Sha256> {
        let name = path.rsplit('/').next().unwrap_or(path);
        *self.0.get(&plain(name))?
    }
}

/// A file name without escapes and without an epoch.
fn plain(name: &str) -> String {
    let name = unescaped(name);
    let Some(colon) = name.find(':') else {
        return name;
    };
    let (before, after) = (&name[..colon], &name[colon + 1..]);
    let kept = before.trim_end_matches(|char: char| char.is_ascii_digit());
    if kept.len() < before.len() && kept.ends_with(['_', '-']) {
        format!("{kept}{after}")
    } else {
        name
    }
}

/// `%3a` is `:`. What is no escape, or none of a text, stays as it is.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpatch_agent_core::plan::{Change, PlanItem};

    fn item(file_name: &str, byte: u8) -> PlanItem {
        PlanItem {
            name: "a".into(),
            arch: "amd64".into(),
            change: Change::Upgrade,
            before: None,
            version: Some("1".into()),
            sha256: Some(Sha256([byte; 32])),
            size_bytes: 1,
            file_name: file_name.into(),
        }
    }

    #[test]
    fn a_file_is_found_however_its_repository_writes_its_name() {
        let expected = Expected::of(&Plan::new(vec![
            item("libstdc++6_1%3a12.2-14_amd64.deb", 1),
            item("bind-libs-9.16.23-18.el9.x86_64.rpm", 2),
            item("pkg-1:2.0-1-x86_64.pkg.tar.zst", 3),
            item("", 4),
        ]));
        for (path, byte) in [
            ("pool/main/g/gcc-12/libstdc%2b%2b6_12.2-14_amd64.deb", 1),
            ("pool/main/g/gcc-12/libstdc++6_1%3A12.2-14_amd64.deb", 1),
            ("Packages/b/bind-libs-9.16.23-18.el9.x86_64.rpm", 2),
            ("core/pkg-1%3A2.0-1-x86_64.pkg.tar.zst", 3),
        ] {
            assert_eq!(expected.of_path(path), Some(Sha256([byte; 32])), "{path}");
        }
        for path in [
            "",
            "pool/",
            "dists/x/InRelease",
            "pool/libstdc++6_12.2-15_amd64.deb",
        ] {
            assert_eq!(expected.of_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_of_two_files_says_nothing() {
        let plan = Plan::new(vec![item("a_1_all.deb", 1), item("a_1%3a1_all.deb", 2)]);
        assert_eq!(Expected::of(&plan).of_path("pool/a_1_all.deb"), None);
    }

    #[test]
    fn no_name_is_too_odd() {
        for name in [
            "%", "%3", "%zz", "%ff", ":", "_:", "-1:", "é%3a", "%é", "1:",
        ] {
            assert_eq!(Expected::default().of_path(name), None);
            assert!(!plain(name).is_empty(), "{name}");
        }
        assert_eq!(plain("%ff"), "%ff", "no text");
    }
}
