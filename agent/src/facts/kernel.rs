//! Kernels: the running one, and the newest on the disk.

use netpatch_types::{Ecosystem, version};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most files of a folder that are looked at.
const MAX_FILES: usize = 1_000;

/// The releases of the kernels on the disk, as `uname -r` would say them: `/boot/vmlinuz-*` and `/lib/modules/*/vmlinuz`.
fn installed(root: &Path) -> BTreeSet<String> {
    let names = |folder: &str| -> Vec<String> {
        fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .take(MAX_FILES)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    };
    let mut all: BTreeSet<String> = names("boot")
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-"))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
        .collect();
    for folder in ["lib/modules", "usr/lib/modules"] {
        all.extend(
            names(folder)
                .into_iter()
                .filter(|name| root.join(folder).join(name).join("vmlinuz").exists()),
        );
    }
    all.retain(|name| name.len() <= 255 && !name.chars().any(char::is_control));
    all
}

/// The newest kernel on the disk; empty without any.
pub(crate) fn newest(root: &Path) -> String {
    let order = |left: &String, right: &String| {
        version::compare(Ecosystem::Deb, left, right).unwrap_or(Ordering::Equal)
    };
    installed(root)
        .into_iter()
        .max_by(order)
        .unwrap_or_default()
}

/// Whether a newer kernel than the running one is on the disk. A kernel that did not come from this disk, as in a container or
/// a machine that boots another one, waits for nothing.
pub(crate) fn is_newer_installed(root: &Path, running: &str) -> bool {
    let all = installed(root);
    let newest = newest(root);
    all.contains(running)
        && version::compare(Ecosystem::Deb, running, &newest) == Ok(Ordering::Less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_chosen_by_version_and_a_foreign_kernel_waits_for_nothing() {
        let root = tempfile::tempdir().expect("folder");
        assert_eq!(newest(root.path()), "");
        let boot = root.path().join("boot");
        fs::create_dir(&boot).expect("boot");
        for name in ["6.1.0-9-amd64", "6.1.0-10-amd64"] {
            fs::write(boot.join(format!("vmlinuz-{name}")), "").expect("a kernel");
        }
        fs::write(boot.join("vmlinuz-rescue"), "").expect("a kernel");
        let modules = root.path().join("lib/modules/6.1.0-8-amd64");
        fs::create_dir_all(&modules).expect("modules");
        assert_eq!(newest(root.path()), "6.1.0-10-amd64");
        assert!(is_newer_installed(root.path(), "6.1.0-9-amd64"));
        assert!(!is_newer_installed(root.path(), "6.1.0-10-amd64"));
        assert!(!is_newer_installed(root.path(), "5.10.0-cloud"));
        fs::write(modules.join("vmlinuz"), "").expect("a kernel");
        assert!(is_newer_installed(root.path(), "6.1.0-8-amd64"));
    }
}
