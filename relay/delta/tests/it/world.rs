//! Two versions of a package, built by dpkg-deb and rpmbuild.

use netpatch_delta::Pair;
use netpatch_types::Sha256;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Content that is like a program: long, compressible, changed in places by the version.
pub(crate) fn content(version: u32) -> Vec<u8> {
    let mut state = 7u32;
    let mut out = Vec::new();
    for line in 0..40_000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let changed = if line % 997 == 0 { version } else { 0 };
        out.extend(format!("{line} {:x} {changed}\n", state >> 12).bytes());
    }
    out
}

/// Both versions as `.deb`, with these arguments for dpkg-deb.
pub(crate) fn debs(arguments: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let build = |version| deb(arguments, version, &content(version));
    (build(1), build(2))
}

/// One version with this content.
pub(crate) fn deb(arguments: &[&str], version: u32, data: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("DEBIAN")).expect("folder");
    fs::create_dir_all(root.join("usr/share/thing")).expect("folder");
    let control = format!(
        "Package: thing\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: thing\n"
    );
    fs::write(root.join("DEBIAN/control"), control).expect("control");
    fs::write(root.join("usr/share/thing/data"), data).expect("data");
    let deb = folder.path().join("thing.deb");
    let mut command = Command::new("dpkg-deb");
    command.args(arguments).args(["--root-owner-group", "-b"]);
    run(command.arg(&root).arg(&deb));
    fs::read(deb).expect("deb")
}

/// Both versions as `.rpm`, with this payload flag.
pub(crate) fn rpms(payload: &str) -> (Vec<u8>, Vec<u8>) {
    let build = |version: u32| {
        let folder = tempfile::tempdir().expect("folder");
        let top = folder.path();
        fs::write(top.join("data"), content(version)).expect("data");
        let spec = format!(
            "Name: thing\nVersion: {version}\nRelease: 1\nSummary: thing\nLicense: MIT\nBuildArch: noarch\n%description\nthing\n%install\nmkdir -p %{{buildroot}}/usr/share\ncp {}/data %{{buildroot}}/usr/share/thing\n%files\n/usr/share/thing\n",
            top.display()
        );
        fs::write(top.join("thing.spec"), spec).expect("spec");
        let mut command = Command::new("rpmbuild");
        command.args(["-bb", "--quiet", "--define"]);
        command.arg(format!("_topdir {}", top.display()));
        command
            .arg("--define")
            .arg(format!("_binary_payload {payload}"));
        run(command.arg(top.join("thing.spec")));
        fs::read(found(&top.join("RPMS/noarch"))).expect("rpm")
    };
    (build(1), build(2))
}

fn found(folder: &Path) -> std::path::PathBuf {
    let mut entries = fs::read_dir(folder).expect("folder");
    entries.next().expect("a package").expect("entry").path()
}

fn run(command: &mut Command) {
    let output = command.output().expect("the builder starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// What a recipe for the two is for.
pub(crate) fn pair(old: &[u8], new: &[u8]) -> Pair {
    Pair {
        old: Sha256::of(old),
        new: Sha256::of(new),
        new_bytes: new.len() as u64,
    }
}
