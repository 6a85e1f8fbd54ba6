//! One name per package, however it was written.

use netpatch_types::Ecosystem;
use std::borrow::Cow;

/// The name that advisories and components are compared by: PEP 503 for Python, lower case where the registry does not tell capitals
/// apart. npm's and Cargo's names stay: `jQuery` and `jquery` were two packages.
#[must_use]
pub fn canonical_name(ecosystem: Ecosystem, name: &str) -> Cow<'_, str> {
    match ecosystem {
        Ecosystem::Pypi => python(name),
        Ecosystem::Nuget | Ecosystem::Composer | Ecosystem::Golang | Ecosystem::Hex
            if name.chars().any(char::is_uppercase) =>
        {
            name.to_lowercase().into()
        }
        _ => name.into(),
    }
}

/// PEP 503: runs of `-`, `_` and `.` are one `-`, lower case.
fn python(name: &str) -> Cow<'_, str> {
    let is_separator = |c: char| matches!(c, '-' | '_' | '.');
    let is_plain = name
        .chars()
        .all(|c| !c.is_uppercase() && !matches!(c, '_' | '.'));
    if is_plain && !name.contains("--") {
        return name.into();
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !is_separator(c) {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_the_same_package_are_the_same() {
        for (ecosystem, written, name) in [
            (Ecosystem::Pypi, "Foo._-Bar", "foo-bar"),
            (Ecosystem::Pypi, "foo--bar", "foo-bar"),
            (Ecosystem::Pypi, "django", "django"),
            (Ecosystem::Nuget, "Newtonsoft.Json", "newtonsoft.json"),
            (Ecosystem::Npm, "jQuery", "jQuery"),
            (Ecosystem::Deb, "libstdc++6", "libstdc++6"),
        ] {
            assert_eq!(canonical_name(ecosystem, written), name);
        }
    }
}
