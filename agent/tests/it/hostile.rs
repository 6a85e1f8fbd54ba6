//! A committed corpus of wrong files, each put where the agent reads it: every one is read or refused, nothing breaks, and what
//! is reported can be sent.

use netpatch_agent::command::Runner;
use netpatch_agent::provider::Providers;
use netpatch_agent::provider::union::Known;
use netpatch_agent::scan::components;
use netpatch_protocol::manifest::{manifest_of, verify_manifest};
use netpatch_types::ComponentKey;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of one kind.
fn corpus(kind: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/hostile")
        .join(kind);
    let mut all: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .collect();
    all.sort();
    assert!(all.len() > 4, "{kind}");
    all
}

fn put(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
    fs::copy(from, to).expect("a copy");
}

/// All that is known of a root after one scan; a manifest of it must be accepted.
async fn reported(root: &Path) -> Vec<ComponentKey> {
    let runner = Runner::in_root(root.to_owned(), Vec::new());
    let providers = Providers::of_host(&runner, &root.join("work")).await;
    let (known, parts) = Known::default().after(providers.ask().await);
    let all = known.components();
    let manifest = manifest_of(components(&all));
    verify_manifest(&manifest).unwrap_or_else(|error| panic!("{error}: {parts:?}"));
    all
}

#[tokio::test]
async fn a_broken_status_costs_only_its_broken_stanzas() {
    for (name, file) in corpus("status") {
        let root = tempfile::tempdir().expect("folder");
        let os = root.path().join("etc/os-release");
        fs::create_dir_all(os.parent().unwrap()).expect("folders");
        fs::write(os, "ID=debian\nVERSION_CODENAME=bookworm\n").expect("a file");
        put(&file, &root.path().join("var/lib/dpkg/status"));
        let all = reported(root.path()).await;
        let is_good = all
            .iter()
            .any(|key| key.name == "good" && key.version == "1.0-1");
        let has_good = !["one-line", "utf16"].contains(&name.as_str());
        assert_eq!(is_good, has_good, "{name}: {all:?}");
        assert!(all.iter().all(|key| key.check().is_ok()), "{name}");
    }
}

#[tokio::test]
async fn broken_packages_of_registries_are_left_out_and_the_others_stay() {
    for (kind, place, good) in [
        (
            "metadata",
            "opt/e/lib/python3/site-packages/bad-1.dist-info/METADATA",
            "pip",
        ),
        (
            "package-json",
            "usr/local/lib/node_modules/bad/package.json",
            "npm",
        ),
        ("crates2", "srv/bad/.crates2.json", "cargo"),
        ("elf", "usr/local/bin/bad", "binary"),
    ] {
        for (name, file) in corpus(kind) {
            let root = tempfile::tempdir().expect("folder");
            let root = root.path();
            put(&file, &root.join(place));
            let write = |path: &str, text: &str| {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).expect("folders");
                fs::write(path, text).expect("a file");
            };
            write(
                "opt/e/lib/python3/site-packages/pip-1.dist-info/METADATA",
                "Name: pip\nVersion: 1\n",
            );
            write(
                "usr/local/lib/node_modules/npm/package.json",
                r#"{"name":"npm","version":"1.0.0"}"#,
            );
            write(
                "root/.cargo/.crates2.json",
                r#"{"installs":{"cargo 1.0.0 (sparse+https://index.crates.io/)":{}}}"#,
            );
            let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/binary/rust");
            put(&data, &root.join("usr/local/bin/good"));
            let all = reported(root).await;
            let found = |name: &str| all.iter().any(|key| key.name == name);
            for wanted in ["pip", "npm", "cargo", "itoa"] {
                assert!(found(wanted), "{kind}/{name}: {wanted} is lost in {all:?}");
            }
            assert!(all.iter().all(|key| key.check().is_ok()), "{good}: {name}");
        }
    }
}

#[tokio::test]
async fn any_bytes_at_any_place_are_read_or_refused() {
    // Every file of the corpus at every place: wrong kinds of files included.
    let root = tempfile::tempdir().expect("folder");
    let root = root.path();
    for kind in ["status", "metadata", "package-json", "crates2", "elf"] {
        for (name, file) in corpus(kind) {
            for place in [
                format!("opt/{kind}-{name}/lib/python3/site-packages/x-1.dist-info/METADATA"),
                format!("opt/{kind}-{name}/lib/node_modules/x/package.json"),
                format!("opt/{kind}-{name}/.crates2.json"),
                format!("opt/{kind}-{name}/bin/x"),
                format!(
                    "home/{kind}-{name}/.local/share/containers/storage/overlay-images/images.json"
                ),
                format!(
                    "home/{kind}-{name}/.local/share/flatpak/app/x/y/z/{:064x}/deploy",
                    1
                ),
                format!(
                    "var/lib/docker/image/overlay2/imagedb/content/sha256/{:064x}",
                    name.len()
                ),
            ] {
                put(&file, &root.join(place));
            }
        }
    }
    reported(root).await;
}
