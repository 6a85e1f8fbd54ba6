//! From pacman's words to a cause of the closed list, with the lines that show it. Output is read in the C locale.

use crate::provider::diagnosis::{self, Rule};
use netpatch_agent_core::{Failure, FailureCause};

/// How pacman says that a script of a package failed; it ends with 0 all the same.
const SCRIPT: &str = "command failed to execute correctly";

const RULES: [Rule; 7] = [
    (
        FailureCause::DiskFull,
        &["not enough free disk space", "No space left on device"],
    ),
    (
        FailureCause::PackageManagerLocked,
        &["unable to lock database", "could not lock database"],
    ),
    (
        FailureCause::SignatureInvalid,
        &[
            "PGP signature",
            "signature from",
            "missing required signature",
            "unknown trust",
            "required key missing",
        ],
    ),
    (
        FailureCause::PayloadCorrupt,
        &[
            "invalid or corrupted",
            "checksum",
            "Unrecognized archive format",
            "Truncated",
            "could not extract",
        ],
    ),
    (FailureCause::MaintainerScriptFailed, &[SCRIPT]),
    (
        FailureCause::DependencyUnsatisfiable,
        &[
            "unable to satisfy dependency",
            "could not satisfy dependencies",
            "breaks dependency",
            "are in conflict",
            "conflicting files",
            "exists in filesystem",
            "unresolvable package conflicts",
        ],
    ),
    (
        FailureCause::NetworkUnreachable,
        &[
            "failed retrieving file",
            "failed to synchronize",
            "failed to retrieve some files",
            "Could not resolve host",
            "Connection refused",
            "no servers configured",
        ],
    ),
];

/// The cause behind an output and an exit code.
pub(super) fn diagnose(output: &str, exit_code: Option<i32>) -> Failure {
    diagnosis::diagnose(&diagnosis::lines(output), &RULES, exit_code)
}

/// What a log says of failed scripts; `None` when none failed.
pub(super) fn failed_script(log: &str) -> Option<Failure> {
    log.contains(SCRIPT).then(|| diagnose(log, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_pacman_6_have_causes() {
        for (output, expected) in [
            (
                "error: Partition / too full: 90 blocks needed, 3 blocks free\nerror: not enough free disk space",
                FailureCause::DiskFull,
            ),
            (
                "error: failed to init transaction (unable to lock database)",
                FailureCause::PackageManagerLocked,
            ),
            (
                "error: np: signature from \"x\" is unknown trust\nerror: failed to commit transaction (invalid or corrupted package (PGP signature))",
                FailureCause::SignatureInvalid,
            ),
            (
                "error: failed to commit transaction (invalid or corrupted package (checksum))",
                FailureCause::PayloadCorrupt,
            ),
            (
                "boom\nerror: command failed to execute correctly",
                FailureCause::MaintainerScriptFailed,
            ),
            (
                ":: unable to satisfy dependency 'x>=9' required by y",
                FailureCause::DependencyUnsatisfiable,
            ),
            (
                "error: failed retrieving file 'np.db' from x : Could not resolve host: x",
                FailureCause::NetworkUnreachable,
            ),
            ("something new", FailureCause::Unknown(Some(1))),
        ] {
            assert_eq!(diagnose(output, Some(1)).cause, expected, "{output}");
        }
        let failure =
            failed_script("upgrading a...\nboom\nerror: command failed to execute correctly\n");
        assert!(
            failure
                .expect("a failure")
                .evidence
                .iter()
                .any(|line| line == "boom")
        );
        assert_eq!(failed_script("upgrading a...\n"), None);
    }
}
