//! Images of a real containerd, read from its disk while it runs and after.

use crate::host::until;
use netpatch_agent::command::Runner;
use netpatch_agent::provider::{Inventory, Providers};
use netpatch_types::Sha256;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const OS: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";

/// A host's root with a containerd that keeps its images there.
struct Host {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

impl Host {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (kind, place) = (Some("tmpfs"), folder.path());
        mount(kind, place, kind, MsFlags::empty(), None::<&str>).expect("a tmpfs");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("var/lib/containerd"),
            at("run"),
            at("run/sock")
        );
        fs::write(at("config.toml"), text).expect("a file");
        let daemon = Command::new("containerd")
            .args(["--config", &at("config.toml")])
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).expect("a log"))
            .spawn()
            .expect("containerd is installed");
        let host = Self {
            folder,
            daemon: Some(daemon),
        };
        until(|| async { host.ctr(&["version"]).status.success().then_some(()) }).await;
        host
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ctr(&self, words: &[&str]) -> Output {
        Command::new("ctr")
            .arg("--address")
            .arg(self.at("run/sock"))
            .args(words)
            .output()
            .expect("ctr is installed")
    }

    fn import(
        &self,
        namespace: &str,
        name: &str,
        layers: &[&[(&str, &str)]],
        more: &[&str],
    ) -> String {
        let (file, id) = archive(&self.at(&format!("work/{name}")), name, layers);
        let file = file.display().to_string();
        let mut words = vec!["--namespace", namespace, "images", "import"];
        words.extend(more);
        words.push(&file);
        let output = self.ctr(&words);
        assert!(output.status.success(), "{output:?}");
        id
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    async fn providers(&self) -> Providers {
        let runner = Runner::in_root(self.folder.path().to_owned(), Vec::new());
        Providers::of_host(&runner, &self.at("work")).await
    }

    async fn images(&self) -> Inventory {
        let providers = self.providers().await;
        let answers = providers.ask_some(Some("image")).await;
        let answer = answers.into_iter().next().expect("an answer");
        answer.inventory.expect("an inventory")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
        if let Err(error) = umount2(self.folder.path(), MntFlags::MNT_DETACH) {
            eprintln!("cannot unmount {}: {error}", self.folder.path().display());
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("tar");
    assert!(output.status.success(), "{output:?}");
}

/// An image as an OCI archive; the archive and the image's id.
fn archive(work: &Path, name: &str, layers: &[&[(&str, &str)]]) -> (PathBuf, String) {
    let blobs = work.join("layout/blobs/sha256");
    fs::create_dir_all(&blobs).expect("folders");
    let put = |bytes: &[u8]| {
        let digest = Sha256::of(bytes).to_string();
        fs::write(blobs.join(&digest), bytes).expect("a blob");
        json!({"digest": format!("sha256:{digest}"), "size": bytes.len()})
    };
    let mut descriptors = Vec::new();
    for (number, files) in layers.iter().enumerate() {
        let folder = work.join(format!("layer-{number}"));
        for (path, text) in *files {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(file, text).expect("a file");
        }
        let tar = work.join(format!("{number}.tar"));
        // The same files are the same layer, whenever they are packed.
        run(Command::new("tar")
            .args(["--mtime=@0", "-C"])
            .arg(&folder)
            .arg("-cf")
            .arg(&tar)
            .arg("."));
        let mut layer = put(&fs::read(&tar).expect("a layer"));
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
        descriptors.push(layer);
    }
    let diffs: Vec<_> = descriptors
        .iter()
        .map(|one| one["digest"].clone())
        .collect();
    let configuration = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}});
    let mut config = put(configuration.to_string().as_bytes());
    config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
    let id = config["digest"].as_str().expect("a digest").to_owned();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": descriptors});
    let mut manifest = put(manifest.to_string().as_bytes());
    manifest["mediaType"] = kind.into();
    manifest["annotations"] =
        json!({"org.opencontainers.image.ref.name": format!("example.invalid/{name}:1")});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    let layout = work.join("layout");
    fs::write(layout.join("index.json"), index.to_string()).expect("an index");
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .expect("a layout");
    let file = work.join("image.tar");
    run(Command::new("tar")
        .arg("-C")
        .arg(&layout)
        .arg("-cf")
        .arg(&file)
        .arg("."));
    (file, id)
}

fn status(package: &str, version: &str) -> String {
    format!(
        "Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
    )
}

#[tokio::test]
async fn images_are_read_while_containerd_runs_and_after() {
    let mut host = Host::new().await;
    let (old, new) = (status("old", "1"), status("libssl3", "3.0.11-1"));
    let layers: [&[(&str, &str)]; 2] = [
        &[("etc/os-release", OS), ("var/lib/dpkg/status", &old)],
        &[("var/lib/dpkg/status", &new)],
    ];
    let web = host.import("k8s.io", "web", &layers, &[]);
    let inventory = host.images().await;
    assert_eq!(inventory.cut_short, None);
    assert_eq!(inventory.components.len(), 1, "{inventory:?}");
    let component = &inventory.components[0];
    assert_eq!(component.version, "3.0.11-1");
    assert_eq!(component.image(), Some(web.as_str()));

    // The same image in another namespace is the same; another one comes while the daemon has the database open.
    host.import("default", "web", &layers, &[]);
    let database = status("postgresql", "15.1");
    let layers: [&[(&str, &str)]; 1] =
        [&[("etc/os-release", OS), ("var/lib/dpkg/status", &database)]];
    host.import("default", "database", &layers, &[]);
    let running = host.images().await;
    assert_eq!(running.components.len(), 2, "{running:?}");
    host.stop();
    assert_eq!(host.images().await, running);
    let watched = host.providers().await.watched();
    let content = "/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256";
    assert!(watched.contains(content), "{watched:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let mut host = Host::new().await;
    let status = status("libssl3", "3");
    let layers: [&[(&str, &str)]; 1] =
        [&[("etc/os-release", OS), ("var/lib/dpkg/status", &status)]];
    host.import("default", "packed", &layers, &["--no-unpack"]);
    let inventory = host.images().await;
    assert_eq!(inventory.components.len(), 0);
    let reason = inventory.cut_short.expect("a reason");
    assert!(
        reason.contains("packed") && reason.contains("not unpacked"),
        "{reason}"
    );
    host.import("default", "packed", &layers, &[]);
    assert_eq!(host.images().await.components.len(), 1);
    host.stop();

    let store = host.at("var/lib/containerd");
    let blobs = store.join("io.containerd.content.v1.content/blobs/sha256");
    let places = [
        store.join("io.containerd.metadata.v1.bolt/meta.db"),
        store.join("io.containerd.snapshotter.v1.overlayfs/metadata.db"),
    ];
    let mut damages: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for place in &places {
        let whole = fs::read(place).expect("a database");
        damages.push((place.clone(), whole[..whole.len() / 3].to_vec()));
        damages.push((place.clone(), b"no database".to_vec()));
        damages.push((place.clone(), vec![0xa5; 70_000]));
    }
    for entry in fs::read_dir(&blobs).expect("blobs").flatten() {
        let mut bytes = fs::read(entry.path()).expect("a blob");
        if bytes.starts_with(b"{") && bytes.windows(6).any(|part| part == b"config") {
            bytes[20] ^= 1;
            damages.push((entry.path(), bytes));
        }
    }
    assert_eq!(damages.len(), 7);
    for (place, bytes) in damages {
        let whole = fs::read(&place).expect("a file");
        fs::write(&place, bytes).expect("a damaged file");
        let inventory = host.images().await;
        assert!(inventory.components.is_empty(), "{}", place.display());
        assert!(inventory.cut_short.is_some(), "{}", place.display());
        fs::write(&place, whole).expect("the whole file");
    }
    assert_eq!(host.images().await.components.len(), 1);
}
