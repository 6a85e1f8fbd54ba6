//! RPM's `epoch:version-release` and `rpmvercmp`, over the sort keys of `rpm-version`.

use rpm_version::version_sortkey;

/// An RPM version; a missing epoch is 0, a missing release comes before any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rpm {
    epoch: Vec<u8>,
    version: Vec<u8>,
    release: Option<Vec<u8>>,
}

impl Rpm {
    /// Splits as rpm's `parseEVR()` does: an epoch is digits before the first colon, a release follows the **last** dash.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (epoch, rest) = match text[digits..].strip_prefix(':') {
            Some(rest) => (&text[..digits], rest),
            None => ("", text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        let valid =
            !version.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        valid.then(|| Self {
            epoch: version_sortkey(if epoch.is_empty() { "0" } else { epoch }),
            version: version_sortkey(version),
            release: release.map(version_sortkey),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_as_rpm_finds_them() {
        let version = |text| Rpm::parse(text).expect("valid");
        assert_eq!(version("1.0-1"), version("0:1.0-1"));
        assert_eq!(version(":1.0-1"), version("1.0-1"));
        assert!(version("1.0") < version("1.0-0"));
        assert!(version("a:2") < version("1:1"));
        assert!(version("1-2-3") < version("1-3-1"));
        for wrong in ["", "-1", "1:", "1 0"] {
            assert!(Rpm::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
