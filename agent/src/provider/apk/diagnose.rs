//! From apk's words to a cause of the closed list, with the lines that show it. Its exit code is the number of errors, up to 99, so
//! that it names no cause.

use crate::provider::diagnosis::{self, MAX_SHOWN, Rule};
use netpatch_agent_core::{Failure, FailureCause};

/// How apk says that a script of a package failed.
const SCRIPT: &str = "exited with error";

const RULES: [Rule; 7] = [
    (FailureCause::DiskFull, &["No space left on device"]),
    (
        FailureCause::PackageManagerLocked,
        &["Unable to lock database"],
    ),
    (
        FailureCause::SignatureInvalid,
        &[
            "BAD signature",
            "UNTRUSTED signature",
            "untrusted signature",
        ],
    ),
    (
        FailureCause::PayloadCorrupt,
        &[
            "file format is invalid or inconsistent",
            "package integrity error",
            "file integrity error",
            "BAD archive",
            "unexpected end of file",
        ],
    ),
    (
        FailureCause::MaintainerScriptFailed,
        &[SCRIPT, "script exited"],
    ),
    (
        FailureCause::DependencyUnsatisfiable,
        &[
            "unable to select package",
            "no such package",
            "breaks:",
            "conflicts:",
            "trying to overwrite",
        ],
    ),
    (
        FailureCause::NetworkUnreachable,
        &[
            "temporary error",
            "transient error",
            "DNS",
            "Connection refused",
            "connection refused",
            "network error",
            "remote server returned error",
            "unavailable",
            "package mentioned in index not found",
            "operation timed out",
        ],
    ),
];

/// The cause behind an output and an exit code.
pub(super) fn diagnose(output: &str, exit_code: Option<i32>) -> Failure {
    let lines = diagnosis::lines(output);
    match diagnosis::find(&lines, &RULES) {
        // What a dependency belongs to stands in the lines after it.
        Some(((cause @ FailureCause::DependencyUnsatisfiable, _), at)) => {
            let shown = diagnosis::before(&lines, at).iter().chain(&lines[at..]);
            Failure::new(cause, shown.take(MAX_SHOWN).copied())
        }
        _ => diagnosis::diagnose(&lines, &RULES, exit_code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_apk_3_have_causes() {
        for (output, expected) in [
            (
                "ERROR: Unable to lock database: Resource temporarily unavailable\nERROR: Failed to open apk database",
                FailureCause::PackageManagerLocked,
            ),
            (
                "WARNING: updating http://x.invalid/np/x86_64/APKINDEX.tar.gz: BAD signature\n0 unavailable, 1 stale",
                FailureCause::SignatureInvalid,
            ),
            (
                "Downloading np-good-2.0-r0\nERROR: np-good-2.0-r0: v2 package integrity error",
                FailureCause::PayloadCorrupt,
            ),
            (
                "ERROR: np-good-2.0-r0: file format is invalid or inconsistent",
                FailureCause::PayloadCorrupt,
            ),
            (
                "  * boom\nERROR: lib/apk/exec/np-2.0-r0.post-upgrade: exited with error 1",
                FailureCause::MaintainerScriptFailed,
            ),
            (
                "ERROR: unable to select packages:\n  np-x (no such package):\n    required by: np-unmet-2.0-r0[np-x>=9]",
                FailureCause::DependencyUnsatisfiable,
            ),
            (
                "WARNING: updating and opening http://x.invalid/APKINDEX.tar.gz: DNS: transient error (try again later)",
                FailureCause::NetworkUnreachable,
            ),
            (
                "ERROR: Failed to create usr/share/x: No space left on device",
                FailureCause::DiskFull,
            ),
            ("something new", FailureCause::Unknown(Some(1))),
        ] {
            assert_eq!(diagnose(output, Some(1)).cause, expected, "{output}");
        }
        let failure = diagnose(
            "ERROR: unable to select packages:\n  np-x (no such package):\n    required by: np-unmet-2.0-r0[np-x>=9]",
            Some(2),
        );
        assert!(
            failure
                .evidence
                .iter()
                .any(|line| line.contains("np-unmet"))
        );
    }
}
