//! What the advisories call a component, and which of its versions they count.
//!
//! Debian is matched by **source** name and source version (a binNMU's `+b1` is not in it). The exception are signed
//! packages (`linux-signed-amd64`): their source is not in the advisories and numbers differently, so the binary's version
//! is compared with the unsigned source's. Alpine is matched by origin too; all others by their own name and version.

use crate::domain::name::canonical_name;
use netpatch_types::{ComponentKey, Ecosystem};
use std::borrow::Cow;
use std::collections::HashMap;

/// How a component was matched; the word stands in the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Source name and source version.
    DebianSource,
    /// Unsigned source's name and binary version.
    DebianSignedBinary,
    /// Origin's name and version.
    AlpineOrigin,
    /// The package's own name and version.
    Package,
}

impl Rule {
    /// The word of the evidence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DebianSource => "debian-source",
            Self::DebianSignedBinary => "debian-signed-binary",
            Self::AlpineOrigin => "alpine-origin",
            Self::Package => "package",
        }
    }
}

/// Where the advisories name what a component was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The package as the advisories name it.
    pub source: Cow<'a, str>,
    /// The version to compare.
    pub version: &'a str,
    /// Why these two.
    pub rule: Rule,
}

/// Signed sources and the unsigned ones that advisories name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(pub HashMap<String, String>);

impl Aliases {
    /// Reads the first two columns of the pack's table.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let mut columns = line.split('\t');
            Some((
                columns.next()?.trim().to_owned(),
                columns.next()?.trim().to_owned(),
            ))
        };
        Self(
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(row)
                .filter(|(signed, source)| !signed.is_empty() && !source.is_empty())
                .collect(),
        )
    }

    /// What the advisories call the component, and its version there.
    #[must_use]
    pub fn subject<'a>(&self, component: &'a ComponentKey) -> Subject<'a> {
        match component.ecosystem {
            Ecosystem::Deb => self.debian(component),
            Ecosystem::Apk => Subject {
                source: component.source.as_str().into(),
                version: &component.source_version,
                rule: Rule::AlpineOrigin,
            },
            other => Subject {
                source: canonical_name(other, &component.name),
                version: &component.version,
                rule: Rule::Package,
            },
        }
    }

    fn debian<'a>(&self, component: &'a ComponentKey) -> Subject<'a> {
        let unsigned = match self.0.get(&component.source) {
            Some(source) => Some(source.clone()),
            None => unsigned_kernel(&component.source),
        };
        match unsigned {
            Some(source) => Subject {
                source: source.into(),
                version: signed_version(component),
                rule: Rule::DebianSignedBinary,
            },
            None => Subject {
                source: component.source.as_str().into(),
                version: &component.source_version,
                rule: Rule::DebianSource,
            },
        }
    }
}

/// `linux-signed-6.12-arm64` → `linux-6.12`, for architectures that the table does not list.
fn unsigned_kernel(source: &str) -> Option<String> {
    let rest = source.strip_prefix("linux-signed-")?;
    Some(match rest.rsplit_once('-') {
        Some((version, _arch)) => format!("linux-{version}"),
        None => "linux".to_owned(),
    })
}

/// The version of what was signed. `shim-signed 1.51~1+deb12u1` builds the binary `1.51~1+deb12u1+16.1-2`: the signed
/// version stands behind its own. Kernels have the unsigned binary's version as it is.
pub(crate) fn signed_version(component: &ComponentKey) -> &str {
    component
        .version
        .strip_prefix(component.source_version.as_str())
        .and_then(|rest| rest.strip_prefix('+'))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(&component.version)
}
