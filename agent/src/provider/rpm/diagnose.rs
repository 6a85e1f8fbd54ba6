//! From rpm's, dnf's and zypper's words to a cause of the closed list, with the lines that show it.
//!
//! Output is read in the C locale. The order of the rules matters: a full disk also looks like a broken payload, and a
//! damaged database like a missing dependency.

use crate::provider::diagnosis::{self, MAX_SHOWN, Rule};
use netpatch_agent_core::{Failure, FailureCause};

const RULES: [Rule; 8] = [
    (
        FailureCause::DiskFull,
        &[
            "No space left on device",
            "more space needed on",
            "needs at least",
            "Disk Requirements",
            "Disk quota exceeded",
        ],
    ),
    (
        FailureCause::PackageManagerLocked,
        &[
            "can't create transaction lock",
            "Failed to obtain the transaction lock",
            "Failed to obtain",
            "database is locked",
            "is locked by",
            "Waiting for process with pid",
            "System management is locked",
        ],
    ),
    (
        FailureCause::SignatureInvalid,
        &[
            "GPG signature",
            "GPG check FAILED",
            "is not signed",
            "NOKEY",
            "Public key for",
            "Signature verification failed",
            "repomd.xml GPG",
            "signature of",
            "is signed with an unknown key",
            "SIGNATURES NOT OK",
        ],
    ),
    (
        FailureCause::PayloadCorrupt,
        &[
            "incorrect checksum",
            "hecksum doesn't match",
            "Checksum error",
            "digest: BAD",
            "Digest verification failed",
            "corrupted during transfer",
            "Digest mismatch",
            "does not verify",
            "cpio: ",
            "unpacking of archive failed",
            "not an rpm package",
        ],
    ),
    (FailureCause::MaintainerScriptFailed, &SCRIPTS),
    (
        FailureCause::DependencyUnsatisfiable,
        &[
            "nothing provides",
            "is needed by",
            "Failed dependencies",
            "conflicts with",
            "conflicting requests",
            " is obsoleted by",
            "Problem:",
        ],
    ),
    (
        FailureCause::NetworkUnreachable,
        &[
            "Curl error",
            "Cannot download",
            "Failed to download",
            "Couldn't resolve host",
            "Connection refused",
            "All mirrors were tried",
            "Status code: 5",
            "Timeout exceeded",
            "Download (curl) error",
            "not found on medium",
        ],
    ),
    (
        FailureCause::Incompatible,
        &[
            "intended for a different",
            "No module named 'dnf'",
            "mirror list that was never fetched",
        ],
    ),
];

/// How rpm and dnf name a script of a package that failed.
const SCRIPTS: [&str; 3] = [
    " scriptlet failed",
    " scriptlet in rpm package",
    "scriptlet, exit status",
];

/// Words of a database that cannot be read.
const DAMAGED: [&str; 7] = [
    "malformed",
    "is not a database",
    "cannot open Packages",
    "rpmdb open failed",
    "damaged header",
    "DB_RUNRECOVERY",
    "sqlite failure",
];

/// The cause behind an output and an exit code.
pub(crate) fn diagnose(output: &str, exit_code: Option<i32>) -> Failure {
    let lines = diagnosis::lines(output);
    let is_locked = diagnosis::find(&lines, &RULES[1..2]).is_some();
    let is_damaged = |line: &&&str| DAMAGED.iter().any(|word| line.contains(word));
    let mut damaged = lines
        .iter()
        .filter(is_damaged)
        .copied()
        .take(MAX_SHOWN)
        .peekable();
    if damaged.peek().is_some() && !is_locked {
        let first = "the rpm database is damaged: keep a copy of it, then run rpmdb --rebuilddb";
        return Failure::new(
            FailureCause::Unknown(exit_code),
            std::iter::once(first).chain(damaged),
        );
    }
    diagnosis::diagnose(&lines, &RULES, exit_code)
}

/// What a log says of failed scripts, with the script's own message; empty when none failed.
pub(crate) fn failed_scripts(log: &str) -> Vec<String> {
    if SCRIPTS.iter().any(|pattern| log.contains(pattern)) {
        let relevant = diagnose_scripts(log);
        return relevant.evidence;
    }
    Vec::new()
}

fn diagnose_scripts(log: &str) -> Failure {
    let lines: Vec<&str> = log.lines().collect();
    let is_script = |line: &str| SCRIPTS.iter().any(|pattern| line.contains(pattern));
    let mut shown: Vec<&str> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if is_script(line) {
            shown.extend(&lines[at.saturating_sub(2)..=at]);
        }
    }
    shown.dedup();
    Failure::new(
        FailureCause::MaintainerScriptFailed,
        shown.into_iter().take(MAX_SHOWN),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_rpm_4_18_dnf_4_14_and_zypper_1_14_have_causes() {
        for (output, expected) in [
            (
                "error: unpacking of archive failed on file /usr/x;65: cpio: write failed - No space left on device",
                FailureCause::DiskFull,
            ),
            (
                "At least 13MB more space needed on the / filesystem.",
                FailureCause::DiskFull,
            ),
            (
                "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)",
                FailureCause::PackageManagerLocked,
            ),
            (
                "error: sqlite failure: PRAGMA secure_delete = OFF: database is locked",
                FailureCause::PackageManagerLocked,
            ),
            (
                "Public key for a-1-1.noarch.rpm is not installed",
                FailureCause::SignatureInvalid,
            ),
            (
                "Error: Failed to download metadata for repo 'x': GPG verification is enabled, but GPG signature is not available.",
                FailureCause::SignatureInvalid,
            ),
            (
                "Some packages from local repository have incorrect checksum",
                FailureCause::PayloadCorrupt,
            ),
            (
                "  boom\nwarning: %post(a-2-1.noarch) scriptlet failed, exit status 1",
                FailureCause::MaintainerScriptFailed,
            ),
            (
                " Problem: cannot install\n  - nothing provides b >= 9 needed by a-2-1.noarch",
                FailureCause::DependencyUnsatisfiable,
            ),
            (
                "Errors during downloading metadata for repository 'x':\n  - Curl error (7): Couldn't connect to server",
                FailureCause::NetworkUnreachable,
            ),
            (
                "package a-1-1.riscv64 is intended for a different architecture",
                FailureCause::Incompatible,
            ),
            (
                "System management is locked by the application with pid 8743 (zypper).\nClose this application before trying again.",
                FailureCause::PackageManagerLocked,
            ),
            (
                "File 'repomd.xml' from repository 'x' is signed with an unknown key '12C2CFD1EF8F857A'.\nRepository 'x' is invalid.\n - Can't provide /repodata/repomd.xml",
                FailureCause::SignatureInvalid,
            ),
            (
                "Digest verification failed for file 'a-2-1.noarch.rpm'\nPackage a-2-1.noarch (x) seems to be corrupted during transfer.",
                FailureCause::PayloadCorrupt,
            ),
            (
                "Problem retrieving files from 'x'.\nDownload (curl) error for 'http://x/repodata/repomd.xml':\nError code: Connection failed",
                FailureCause::NetworkUnreachable,
            ),
            ("something new", FailureCause::Unknown(Some(1))),
        ] {
            assert_eq!(diagnose(output, Some(1)).cause, expected, "{output}");
        }
    }

    #[test]
    fn a_damaged_database_says_what_to_do() {
        let failure = diagnose(
            "error: SELECT hnum, blob FROM 'Packages': 11: database disk image is malformed\n",
            Some(0),
        );
        assert!(failure.evidence[0].contains("rebuilddb"), "{failure:?}");
        assert_eq!(failure.evidence.len(), 2);
    }

    #[test]
    fn a_script_is_named_with_its_own_words() {
        let lines = failed_scripts(
            "Upgrade 1/2 a-2\nboom\nwarning: %post(a-2-1.noarch) scriptlet failed, exit status 1\nError in POSTIN scriptlet in rpm package a\n",
        );
        assert!(lines.iter().any(|line| line == "boom"), "{lines:?}");
        assert_eq!(failed_scripts("Upgrade 1/2 a-2\n"), Vec::<String>::new());
    }
}
