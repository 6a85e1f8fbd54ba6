//! From apt's and dpkg's words to a cause of the closed list, with the lines that show it.
//!
//! Output is read in the C locale. The order of the rules matters: a full disk also looks like a broken archive, and
//! everything looks like "returned an error code".

use crate::provider::diagnosis::{self, Rule};
use netpatch_agent_core::{Failure, FailureCause};

const RULES: [Rule; 9] = [
    (
        FailureCause::DiskFull,
        &[
            "No space left on device",
            "You don't have enough free space",
            "Disk quota exceeded",
        ],
    ),
    (
        FailureCause::PackageManagerLocked,
        &[
            "Could not get lock",
            "Unable to acquire the dpkg frontend lock",
            "Unable to lock",
            "frontend lock was locked by another process",
            "is another process using it",
        ],
    ),
    (
        FailureCause::SignatureInvalid,
        &[
            "NO_PUBKEY",
            "BADSIG",
            "EXPKEYSIG",
            "is not signed",
            "are invalid: ",
            "couldn't be verified",
            "could not be verified",
            "Clearsigned file isn't valid",
            "unauthenticated packages",
            "cannot be authenticated",
        ],
    ),
    (
        FailureCause::PayloadCorrupt,
        &[
            "Hash Sum mismatch",
            "File has unexpected size",
            "corrupted filesystem tarfile",
            "is not a Debian format archive",
            "dpkg-deb --fsys-tarfile subprocess",
            "unexpected end of file",
            "not a debian format archive",
            "lzma error",
            "decompress",
            "corrupted",
        ],
    ),
    (
        FailureCause::MaintainerScriptFailed,
        &[
            "maintainer script",
            "script subprocess returned error",
            "script subprocess was killed",
        ],
    ),
    (
        FailureCause::DependencyUnsatisfiable,
        &[
            "unmet dependencies",
            "Unable to correct problems",
            "dependency problems",
            "Depends:",
            "PreDepends:",
            "Conflicts:",
            "Breaks:",
            "conflicting packages",
            "trying to overwrite",
        ],
    ),
    (
        FailureCause::HoldOrBlockList,
        &["Held packages were changed"],
    ),
    (
        FailureCause::NetworkUnreachable,
        &[
            "Temporary failure resolving",
            "Could not connect",
            "Could not resolve",
            "Connection refused",
            "Connection failed",
            "Connection timed out",
            "Network is unreachable",
            "Unable to connect",
            "Failed to fetch",
            "502  ",
            "503  ",
            "504  ",
        ],
    ),
    (
        FailureCause::Incompatible,
        &[
            "package architecture",
            "kernel too old",
            "Exec format error",
        ],
    ),
];

/// Lines that never say anything.
const NOISE: [&str; 4] = [
    "Reading package lists",
    "Building dependency tree",
    "Reading state information",
    "Selecting previously",
];

/// The cause behind an output and an exit code.
pub(crate) fn diagnose(output: &str, exit_code: Option<i32>) -> Failure {
    let mut lines = diagnosis::lines(output);
    lines.retain(|line| !NOISE.iter().any(|noise| line.starts_with(noise)));
    diagnosis::diagnose(&lines, &RULES, exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(output: &str) -> FailureCause {
        diagnose(output, Some(100)).cause
    }

    #[test]
    fn the_words_of_apt_2_6_have_causes() {
        for (output, expected) in [
            (
                "dpkg: error processing archive x (--unpack):\n cannot copy extracted data for './a' to '/a.dpkg-new': failed to write (No space left on device)",
                FailureCause::DiskFull,
            ),
            (
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 17 (apt)",
                FailureCause::PackageManagerLocked,
            ),
            (
                "E: Failed to fetch http://x/a.deb  Hash Sum mismatch\n   Hashes of expected file:",
                FailureCause::PayloadCorrupt,
            ),
            (
                "W: GPG error: http://x InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 00",
                FailureCause::SignatureInvalid,
            ),
            (
                "Setting up a (2) ...\nboom\ndpkg: error processing package a (--configure):\n installed a package post-installation script subprocess returned error exit status 1",
                FailureCause::MaintainerScriptFailed,
            ),
            (
                "The following packages have unmet dependencies:\n a : Depends: b (>= 9) but it is not installable\nE: Unable to correct problems, you have held broken packages.",
                FailureCause::DependencyUnsatisfiable,
            ),
            (
                "Err:1 http://x bookworm InRelease\n  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)",
                FailureCause::NetworkUnreachable,
            ),
            (
                "dpkg-deb (subprocess): decompressing archive 'a.deb' (size=700) member 'data.tar': lzma error: compressed data is corrupt",
                FailureCause::PayloadCorrupt,
            ),
            ("something new", FailureCause::Unknown(Some(100))),
        ] {
            assert_eq!(cause(output), expected, "{output}");
        }
    }

    #[test]
    fn a_script_says_why_before_dpkg_does() {
        let failure = diagnose(
            "Setting up a (2) ...\nboom\ndpkg: error processing package a (--configure):\n installed a package post-installation script subprocess returned error exit status 1\n",
            Some(100),
        );
        assert!(
            failure.evidence.iter().any(|line| line == "boom"),
            "{failure:?}"
        );
    }
}
