//! What kind of change a patch is, and its worst severity.

use netpatch_types::{Classification, Severity};

/// `Label` of release files that only carry security updates.
const SECURITY_LABELS: [&str; 1] = ["Debian-Security"];

/// Where a patch comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// `Label` of the release file.
    pub label: &'a str,
    /// `Suite` of the release file.
    pub suite: &'a str,
    /// Section of its binaries.
    pub section: &'a str,
    /// Whether the vendor's own errata say that it is a security fix.
    pub security: bool,
}

impl Origin<'_> {
    /// Whether the vendor says that it is a security update.
    #[must_use]
    pub fn is_security(&self) -> bool {
        self.security || SECURITY_LABELS.contains(&self.label)
    }
}

/// What kind of change a patch is, from the severities of what it fixes and from where it comes.
#[must_use]
pub fn classify(severities: &[Severity], origin: &Origin<'_>) -> Classification {
    // A known exploited vulnerability has the severity critical, so this covers KEV.
    if severities.contains(&Severity::Critical) {
        Classification::Critical
    } else if !severities.is_empty() || origin.is_security() {
        Classification::Security
    } else if origin.section.starts_with("non-free-firmware") {
        Classification::Firmware
    } else if origin.suite.ends_with("-backports") {
        Classification::Feature
    } else {
        Classification::Update
    }
}

/// The worst severity; unknown when the patch fixes nothing that is known.
#[must_use]
pub fn worst(severities: &[Severity]) -> Severity {
    severities
        .iter()
        .copied()
        .max()
        .unwrap_or(Severity::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_patch_fixes_decides_then_where_it_comes_from() {
        let security = Origin {
            label: "Debian-Security",
            ..Origin::default()
        };
        let main = Origin {
            label: "Debian",
            ..Origin::default()
        };
        assert_eq!(
            classify(&[Severity::Low, Severity::Critical], &main),
            Classification::Critical
        );
        assert_eq!(classify(&[Severity::Low], &main), Classification::Security);
        assert_eq!(classify(&[], &security), Classification::Security);
        assert_eq!(classify(&[], &main), Classification::Update);
        let erratum = Origin {
            security: true,
            ..main
        };
        assert_eq!(classify(&[], &erratum), Classification::Security);
        assert_eq!(
            classify(
                &[],
                &Origin {
                    suite: "bookworm-backports",
                    ..main
                }
            ),
            Classification::Feature
        );
        assert_eq!(
            classify(
                &[],
                &Origin {
                    section: "non-free-firmware/kernel",
                    ..main
                }
            ),
            Classification::Firmware
        );
        assert_eq!(
            worst(&[Severity::Medium, Severity::Unknown]),
            Severity::Unknown
        );
    }
}
