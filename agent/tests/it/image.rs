//! Images on the host's disk, laid out as docker and podman lay them out, with package databases of real distributions' form;
//! real Flatpak installations from a repository of the test; programs with real build information.

use netpatch_agent::command::Runner;
use netpatch_agent::provider::Providers;
use netpatch_agent::provider::union::Known;
use netpatch_types::{ComponentKey, Ecosystem, Sha256};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, bytes).expect("a file");
}

async fn answer(root: &Path, provider: &str) -> Option<netpatch_agent::provider::Inventory> {
    let runner = Runner::in_root(root.to_owned(), Vec::new());
    let providers = Providers::of_host(&runner, &root.join("work")).await;
    let answers = providers.ask().await;
    let answer = answers.into_iter().find(|answer| answer.name == provider)?;
    Some(answer.inventory.expect("an answer"))
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{command:?}\n{out}{err}");
}

const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";
const ALPINE: &str = "ID=alpine\nVERSION_ID=3.19.1\n";
const STATUS: &str = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.11-1~deb12u1\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n";
const APK: &str = "C:Q1x=\nP:libcrypto3\nV:3.1.4-r5\nA:x86_64\no:openssl\n\nC:Q1y=\nP:musl\nV:1.2.4-r2\nA:x86_64\n";

/// A docker store with one image of these layers, the lowest first; the image's id.
fn docker(root: &Path, layers: &[&[(&str, &str)]]) -> String {
    let store = root.join("var/lib/docker");
    let (mut chain, mut diffs) = (String::new(), Vec::new());
    for (number, files) in layers.iter().enumerate() {
        let diff = format!(
            "sha256:{}",
            Sha256::of(format!("{number}{files:?}").as_bytes())
        );
        chain = if chain.is_empty() {
            diff.clone()
        } else {
            format!(
                "sha256:{}",
                Sha256::of(format!("{chain} {diff}").as_bytes())
            )
        };
        let cache = Sha256::of(format!("cache {chain}").as_bytes()).to_string();
        let layer = store
            .join("image/overlay2/layerdb/sha256")
            .join(&chain["sha256:".len()..]);
        write(&layer.join("cache-id"), &cache);
        let content = store.join("overlay2").join(cache).join("diff");
        fs::create_dir_all(&content).expect("a layer");
        for (path, text) in *files {
            write(&content.join(path), text);
        }
        diffs.push(diff);
    }
    let configuration =
        json!({"architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diffs}})
            .to_string();
    let id = Sha256::of(configuration.as_bytes()).to_string();
    write(
        &store
            .join("image/overlay2/imagedb/content/sha256")
            .join(&id),
        configuration,
    );
    format!("sha256:{id}")
}

fn named<'a>(all: &'a [ComponentKey], name: &str) -> &'a ComponentKey {
    let found: Vec<_> = all.iter().filter(|key| key.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {all:#?}");
    found[0]
}

#[tokio::test]
async fn packages_inside_dockers_layers_are_found_from_the_top_down() {
    let root = tempfile::tempdir().expect("folder");
    let root = root.path();
    let upgraded = STATUS.replace("3.0.11-1~deb12u1", "3.0.15-1~deb12u1");
    let old = docker(
        root,
        &[&[
            ("usr/lib/os-release", DEBIAN),
            ("var/lib/dpkg/status", STATUS),
        ]],
    );
    let new = docker(
        root,
        &[
            &[
                ("usr/lib/os-release", DEBIAN),
                ("var/lib/dpkg/status", STATUS),
            ],
            &[("app/x", "x")],
            &[("var/lib/dpkg/status", &upgraded)],
        ],
    );
    let part = "Package: tzdata\nArchitecture: all\nVersion: 2024a-0+deb12u1\n";
    let distroless = docker(
        root,
        &[&[
            ("etc/os-release", DEBIAN),
            ("var/lib/dpkg/status.d/tzdata", part),
            ("var/lib/dpkg/status.d/tzdata.md5sums", "x y"),
        ]],
    );
    docker(root, &[&[("program", "x")]]);
    let inventory = answer(root, "image").await.expect("images");
    assert_eq!(inventory.cut_short, None);
    let all = inventory.components;
    assert_eq!(all.len(), 3, "{all:#?}");
    let version = |image: &str| {
        let key = all
            .iter()
            .find(|key| key.image() == Some(image))
            .expect("of the image");
        (
            key.name.as_str(),
            key.version.as_str(),
            key.source.as_str(),
            key.release.as_str(),
        )
    };
    assert_eq!(
        version(&old),
        ("libssl3", "3.0.11-1~deb12u1", "openssl", "bookworm")
    );
    assert_eq!(
        version(&new),
        ("libssl3", "3.0.15-1~deb12u1", "openssl", "bookworm")
    );
    assert_eq!(
        version(&distroless),
        ("tzdata", "2024a-0+deb12u1", "tzdata", "bookworm")
    );
    assert!(
        all.iter()
            .all(|key| !key.is_of_host() && key.check().is_ok())
    );
}

#[tokio::test]
async fn podmans_stores_are_read_and_what_a_layer_removes_is_gone() {
    let root = tempfile::tempdir().expect("folder");
    let root = root.path();
    let digest = |text: &str| Sha256::of(text.as_bytes()).to_string();
    for store in [
        "var/lib/containers/storage",
        "home/ada/.local/share/containers/storage",
    ] {
        let store = root.join(store);
        let (base, top, image) = (
            digest("base"),
            digest("top"),
            digest(&store.to_string_lossy()),
        );
        write(
            &store.join("overlay-images/images.json"),
            json!([{"id": image, "names": ["localhost/x:1"], "layer": top}]).to_string(),
        );
        write(
            &store.join("overlay-layers/layers.json"),
            json!([{"id": base}, {"id": top, "parent": base}]).to_string(),
        );
        let layer = |name: &str| store.join("overlay").join(name).join("diff");
        write(&layer(&base).join("etc/os-release"), ALPINE);
        write(&layer(&base).join("lib/apk/db/installed"), APK);
        fs::create_dir_all(layer(&top)).expect("a layer");
        if store.starts_with(root.join("home")) {
            // As overlayfs writes that a file is removed.
            let gone = layer(&top).join("lib/apk/db/installed");
            fs::create_dir_all(gone.parent().expect("a folder")).expect("folders");
            nix::sys::stat::mknod(
                &gone,
                nix::sys::stat::SFlag::S_IFCHR,
                nix::sys::stat::Mode::empty(),
                0,
            )
            .expect("a device");
        }
    }
    let all = answer(root, "image").await.expect("images").components;
    assert_eq!(all.len(), 2, "{all:#?}");
    let crypto = named(&all, "libcrypto3");
    assert_eq!(
        (crypto.source.as_str(), crypto.release.as_str()),
        ("openssl", "3.19")
    );
    assert_eq!(crypto.ecosystem, Ecosystem::Apk);
    assert_eq!(
        crypto.purl(),
        "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64&distro=3.19"
    );
}

/// A database of the real rpm with some packages of a test, as it leaves it in a root.
fn rpm_database(folder: &Path, packages: usize) -> Vec<u8> {
    let (top, root) = (folder.join("top"), folder.join("rpm-root"));
    fs::create_dir_all(&root).expect("folders");
    let mut files = Vec::new();
    let place = format!("_topdir {}", top.display());
    for number in 0..packages {
        // A long description does not fit into a page of the database.
        let text = format!("text {number} ").repeat(if number == 0 { 3000 } else { 10 });
        let epoch = if number == 0 { "Epoch: 1\n" } else { "" };
        let name = format!("np-{number}");
        let spec = folder.join(format!("{name}.spec"));
        write(
            &spec,
            format!(
                "Name: {name}\nVersion: 1.2\nRelease: 3.el9\n{epoch}Summary: t\nLicense: MIT\nBuildArch: noarch\n%description\n{text}\n%package -n {name}-libs\nSummary: l\n%description -n {name}-libs\nl\n%files\n%files -n {name}-libs\n"
            ),
        );
        run(Command::new("rpmbuild")
            .args(["--quiet", "-bb", "--define", &place])
            .arg(&spec));
        for part in ["", "-libs"] {
            files.push(top.join(format!("RPMS/noarch/{name}{part}-1.2-3.el9.noarch.rpm")));
        }
    }
    let rpm = |words: &[&str], files: &[PathBuf]| {
        run(Command::new("rpm")
            .arg("--root")
            .arg(&root)
            .args(["--dbpath", "/var/lib/rpm"])
            .args(words)
            .args(files));
    };
    rpm(&["--initdb"], &[]);
    rpm(&["--justdb", "--nodeps", "--ignorearch", "-i"], &files);
    fs::read(root.join("var/lib/rpm/rpmdb.sqlite")).expect("a database")
}

#[tokio::test]
async fn a_real_database_of_rpm_is_read_and_a_damaged_one_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let database = rpm_database(folder.path(), 6);
    let os = "ID=almalinux\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n";
    let root = folder.path().join("root");
    let id = docker(
        &root,
        &[&[("usr/lib/os-release", os), ("var/lib/rpm/rpmdb.sqlite", "")]],
    );
    let overlay = root.join("var/lib/docker/overlay2");
    let layer = fs::read_dir(overlay)
        .expect("layers")
        .flatten()
        .next()
        .expect("one")
        .path();
    let place = layer.join("diff/var/lib/rpm/rpmdb.sqlite");
    fs::write(&place, &database).expect("a database");
    let inventory = answer(&root, "image").await.expect("images");
    assert_eq!(inventory.cut_short, None);
    let all = inventory.components;
    assert_eq!(all.len(), 12, "{all:#?}");
    let libs = named(&all, "np-0-libs");
    assert_eq!(
        (libs.version.as_str(), libs.source.as_str()),
        ("1:1.2-3.el9", "np-0")
    );
    assert_eq!((libs.release.as_str(), libs.plain_arch()), ("9", "noarch"));
    assert_eq!(libs.image(), Some(id.as_str()));
    assert_eq!(named(&all, "np-5").version, "1.2-3.el9");

    for end in [0, 50, 99, 100, 4096, 9000, database.len() / 2] {
        fs::write(&place, &database[..end]).expect("a database");
        let inventory = answer(&root, "image").await.expect("images");
        assert!(inventory.cut_short.is_some(), "cut at {end}");
    }
    // Every byte of the first pages wrong once in a while: read or refused.
    for at in (0..database.len().min(40_000)).step_by(211) {
        let mut changed = database.clone();
        changed[at] ^= 0xff;
        fs::write(&place, &changed).expect("a database");
        let inventory = answer(&root, "image").await.expect("images");
        assert!(inventory.components.len() <= 12, "at {at}");
    }
}

#[tokio::test]
async fn hostile_stores_break_nothing_and_lead_nowhere() {
    let root = tempfile::tempdir().expect("folder");
    let outside = tempfile::tempdir().expect("folder");
    write(&outside.path().join("status"), STATUS);
    let root = root.path();
    let good = docker(
        root,
        &[&[
            ("usr/lib/os-release", DEBIAN),
            ("var/lib/dpkg/status", STATUS),
        ]],
    );
    let store = root.join("var/lib/docker/image/overlay2");
    let image = |number: u64, text: &str| {
        let name = format!("{number:064x}");
        write(&store.join("imagedb/content/sha256").join(name), text);
    };
    image(1, "");
    image(2, "{\"rootfs\":{\"diff_ids\":7}}");
    image(
        3,
        "{\"rootfs\":{\"diff_ids\":[\"sha256:../../../../etc\"]}}",
    );
    image(
        4,
        &format!(
            "{{\"rootfs\":{{\"diff_ids\":[{}]}}}}",
            vec!["\"sha256:0\""; 1000].join(",")
        ),
    );
    let layer = format!("{:064x}", 5);
    image(
        5,
        &format!("{{\"rootfs\":{{\"diff_ids\":[\"sha256:{layer}\"]}}}}"),
    );
    write(
        &store.join("layerdb/sha256").join(&layer).join("cache-id"),
        "../../../../etc",
    );
    // A layer whose database is a link out of it.
    let linked = docker(
        root,
        &[&[("usr/lib/os-release", DEBIAN), ("marker", "linked")]],
    );
    let overlay = root.join("var/lib/docker/overlay2");
    for folder in fs::read_dir(&overlay).expect("layers").flatten() {
        let diff = folder.path().join("diff");
        if diff.join("marker").exists() {
            fs::create_dir_all(diff.join("var/lib/dpkg")).expect("folders");
            std::os::unix::fs::symlink(
                outside.path().join("status"),
                diff.join("var/lib/dpkg/status"),
            )
            .expect("a link");
        }
    }
    let podman = root.join("var/lib/containers/storage");
    let (one, two) = (format!("{:064x}", 1), format!("{:064x}", 2));
    write(
        &podman.join("overlay-images/images.json"),
        json!([{"id": one, "layer": one}, {"id": "../x", "layer": one}]).to_string(),
    );
    write(
        &podman.join("overlay-layers/layers.json"),
        json!([{"id": one, "parent": two}, {"id": two, "parent": one}]).to_string(),
    );
    let inventory = answer(root, "image").await.expect("images");
    assert!(inventory.cut_short.is_some(), "{inventory:?}");
    assert_eq!(inventory.components.len(), 1, "{inventory:#?}");
    assert_eq!(inventory.components[0].image(), Some(good.as_str()));
    assert_ne!(good, linked);
    // What cannot be read now takes nothing away.
    let known = Known::default().with("image", inventory.components.clone());
    assert_eq!(known.components().len(), 1);
}

#[tokio::test]
async fn flatpaks_of_the_system_and_of_a_user_are_found() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |path: &str| folder.path().join(path);
    let repository = at("repository");
    run(Command::new("ostree")
        .args(["init", "--mode=archive-z2", "--repo"])
        .arg(&repository));
    write(
        &at("runtime/metadata"),
        "[Runtime]\nname=org.np.Rt\nruntime=org.np.Rt/x86_64/1\nsdk=org.np.Rt/x86_64/1\n",
    );
    for path in [
        "runtime/files",
        "runtime/usr",
        "app/files/share/app-info/xmls",
        "app/export",
    ] {
        fs::create_dir_all(at(path)).expect("folders");
    }
    write(
        &at("app/metadata"),
        "[Application]\nname=org.np.App\nruntime=org.np.Rt/x86_64/1\nsdk=org.np.Rt/x86_64/1\ncommand=app\n",
    );
    let catalog = at("app/files/share/app-info/xmls/org.np.App.xml");
    write(
        &catalog,
        "<?xml version=\"1.0\"?><components version=\"0.8\"><component type=\"desktop\"><id>org.np.App</id><name>App</name><summary>S</summary><releases><release version=\"124.2.1\" timestamp=\"1700000000\"/></releases></component></components>",
    );
    run(Command::new("gzip").arg(&catalog));
    let root = at("root");
    let flatpak = |words: &[&str], last: &Path| {
        run(Command::new("flatpak")
            .args(words)
            .arg(last)
            .env("HOME", root.join("home/ada"))
            .env_remove("XDG_DATA_HOME")
            .env("FLATPAK_SYSTEM_DIR", root.join("var/lib/flatpak")));
    };
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (repo, app) = (text(&repository), text(&at("app")));
    fs::create_dir_all(root.join("home/ada")).expect("folders");
    run(Command::new("flatpak")
        .args(["build-export", "-r", "--files=files", &repo])
        .arg(at("runtime"))
        .arg("1"));
    run(Command::new("flatpak").args(["build-export", &repo, &app, "stable"]));
    run(Command::new("flatpak").args(["build-update-repo", &repo]));
    assert_eq!(answer(&root, "flatpak").await, None);
    let url = PathBuf::from(format!("file://{repo}"));
    for place in ["--user", "--system"] {
        flatpak(&[place, "remote-add", "--no-gpg-verify", "np"], &url);
        flatpak(
            &[place, "install", "-y", "--noninteractive", "np"],
            Path::new("org.np.App"),
        );
        let all = answer(&root, "flatpak")
            .await
            .expect("installed")
            .components;
        assert_eq!(all.len(), 2, "{all:#?}");
        let app = named(&all, "flatpak/org.np.App");
        assert_eq!(
            (app.version.as_str(), app.source_version.len()),
            ("124.2.1", 64)
        );
        assert_eq!(named(&all, "flatpak/org.np.Rt").version, "1");
    }
    flatpak(
        &["--system", "uninstall", "-y", "--noninteractive"],
        Path::new("org.np.App"),
    );
    flatpak(
        &["--user", "uninstall", "-y", "--noninteractive"],
        Path::new("org.np.App"),
    );
    let all = answer(&root, "flatpak")
        .await
        .expect("installed")
        .components;
    assert!(
        all.iter().all(|key| key.name != "flatpak/org.np.App"),
        "{all:#?}"
    );
}

#[tokio::test]
async fn programs_say_what_they_are_made_of_unless_the_system_owns_them() {
    let root = tempfile::tempdir().expect("folder");
    let root = root.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/binary");
    let (go, rust) = (
        fs::read(data.join("go")).expect("data"),
        fs::read(data.join("rust")).expect("data"),
    );
    write(&root.join("usr/local/bin/esbuild"), &go);
    write(&root.join("opt/np/np"), &rust);
    // The same, but Debian's.
    write(&root.join("opt/owned/bin/owned"), &rust);
    write(
        &root.join("var/lib/dpkg/info/owned.list"),
        "/opt/owned/bin/owned\n",
    );
    let all = answer(root, "binary").await.expect("programs").components;
    let purls: Vec<String> = all.iter().map(ComponentKey::purl).collect();
    assert!(
        purls.contains(&"pkg:cargo/itoa@1.0.19".to_owned()),
        "{purls:?}"
    );
    assert!(
        !purls.iter().any(|purl| purl.contains("autocfg")),
        "{purls:?}"
    );
    assert!(
        purls
            .iter()
            .any(|purl| purl.starts_with("pkg:golang/stdlib@1.")),
        "{purls:?}"
    );
    assert!(
        purls
            .iter()
            .any(|purl| purl.starts_with("pkg:golang/golang.org/x/sys@v0.")),
        "{purls:?}"
    );
    fs::remove_file(root.join("opt/np/np")).expect("removed");
    let all = answer(root, "binary").await.expect("programs").components;
    assert!(!all.iter().any(|key| key.name == "itoa"), "{all:?}");

    // Every cut and every changed byte of the headers is read or refused, and nothing breaks.
    fs::remove_dir_all(root.join("opt")).expect("removed");
    let bin = root.join("usr/local/bin");
    for (number, bytes) in [&go, &rust].into_iter().enumerate() {
        for end in (0..bytes.len()).step_by(97) {
            write(&bin.join(format!("cut-{number}-{end}")), &bytes[..end]);
        }
        for at in 0..64 {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            write(&bin.join(format!("changed-{number}-{at}")), &changed);
        }
        let table = bytes.len() - 64 * 6;
        for at in (table..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x80;
            write(&bin.join(format!("table-{number}-{at}")), &changed);
        }
    }
    let inventory = answer(root, "binary").await.expect("programs");
    assert_eq!(inventory.cut_short, None);
    assert!(inventory.components.iter().any(|key| key.name == "stdlib"));
}
