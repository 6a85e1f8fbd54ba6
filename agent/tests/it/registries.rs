//! Packages that no package manager of the system knows, installed for real: pip into virtual environments and into a prefix,
//! npm -g, cargo install.

use netpatch_agent::command::Runner;
use netpatch_agent::provider::Providers;
use netpatch_types::{ComponentKey, Ecosystem};
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, text).expect("a file");
}

/// What a provider finds under a root.
async fn found(root: &Path, provider: &str) -> Vec<ComponentKey> {
    let runner = Runner::in_root(root.to_owned(), Vec::new());
    let providers = Providers::of_host(&runner, &root.join("work")).await;
    let answer = providers
        .ask()
        .await
        .into_iter()
        .find(|answer| answer.name == provider)
        .unwrap_or_else(|| panic!("{provider} does not answer"));
    let inventory = answer.inventory.expect("an answer");
    assert_eq!(inventory.cut_short, None);
    inventory.components
}

fn has(all: &[ComponentKey], ecosystem: Ecosystem, name: &str, version: &str) -> bool {
    all.contains(&ComponentKey::of_registry(ecosystem, name, version))
}

/// A source package with setuptools' build, that needs nothing from outside.
fn python_project(folder: &Path, name: &str, version: &str) {
    write(
        &folder.join("pyproject.toml"),
        &format!(
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
             [project]\nname = \"{name}\"\nversion = \"{version}\"\n"
        ),
    );
    // PEP 517 in a few lines: a wheel with nothing but its metadata.
    let backend = format!(
        "import zipfile\n\
         def build_wheel(folder, config_settings=None, metadata_directory=None):\n\
         \x20   base = '{}-{version}'\n\
         \x20   name = base + '-py3-none-any.whl'\n\
         \x20   with zipfile.ZipFile(folder + '/' + name, 'w') as wheel:\n\
         \x20       info = base + '.dist-info/'\n\
         \x20       wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')\n\
         \x20       wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         \x20       wheel.writestr(info + 'RECORD', '')\n\
         \x20   return name\n",
        name.replace(['-', '.'], "_")
    );
    write(&folder.join("backend.py"), &backend);
}

#[tokio::test]
async fn pip_puts_packages_into_environments_and_the_systems_own_are_not_reported_twice() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    let project = folder.path().join("project");
    python_project(&project, "Np_Test.Thing", "1.2.post1");
    let environment = root.join("home/ada/work/env");
    fs::create_dir_all(environment.parent().expect("a folder")).expect("folders");
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment));
    let pip = |target: &[&str]| {
        run(Command::new(environment.join("bin/pip"))
            .args([
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
                "--no-build-isolation",
            ])
            .args(target)
            .arg(&project)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1"));
    };
    pip(&[]);
    let all = found(&root, "pip").await;
    assert!(
        has(&all, Ecosystem::Pypi, "np-test-thing", "1.2.post1"),
        "{all:?}"
    );
    // The environment has pip itself too.
    assert!(all.iter().any(|key| key.name == "pip"), "{all:?}");
    let count = all.len();

    // The distribution's own folder: what its packages put there, and what pip put there besides.
    let own = root.join("usr/lib/python3/dist-packages");
    write(
        &own.join("six-1.16.0.egg-info"),
        "Name: six\nVersion: 1.16.0\n",
    );
    write(
        &own.join("idna-3.3.dist-info/METADATA"),
        "Name: idna\nVersion: 3.3\n",
    );
    write(&own.join("idna-3.3.dist-info/INSTALLER"), "debian\n");
    let target = own.to_string_lossy().into_owned();
    pip(&["--target", &target]);
    let local = root.join("usr/local/lib/python3.11/dist-packages");
    write(
        &local.join("old-0.1.egg-info/PKG-INFO"),
        "Name: old\nVersion: 0.1\n",
    );
    let all = found(&root, "pip").await;
    assert_eq!(all.len(), count + 1, "{all:?}");
    assert!(has(&all, Ecosystem::Pypi, "old", "0.1"));

    run(Command::new(environment.join("bin/pip")).args([
        "uninstall",
        "--quiet",
        "--yes",
        "Np_Test.Thing",
    ]));
    fs::remove_dir_all(&own).expect("removed");
    let all = found(&root, "pip").await;
    assert!(
        !all.iter().any(|key| key.name == "np-test-thing"),
        "{all:?}"
    );
}

#[tokio::test]
async fn npm_installs_globally_and_a_project_is_its_own_affair() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    let package = |path: &str, json: &str| {
        write(&folder.path().join(path).join("package.json"), json);
        folder.path().join(path)
    };
    let inner = package("inner", r#"{"name":"@np/inner","version":"0.9.1"}"#);
    let outer = package(
        "outer",
        r#"{"name":"np-outer","version":"2.0.0","dependencies":{"@np/inner":"0.9.1"},"bundleDependencies":["@np/inner"]}"#,
    );
    write(
        &outer.join("node_modules/@np/inner/package.json"),
        r#"{"name":"@np/inner","version":"0.9.1"}"#,
    );
    let npm = |folder: &Path, arguments: &[&str]| {
        run(Command::new("npm")
            .args(arguments)
            .args(["--silent", "--offline", "--no-audit", "--no-fund"])
            .current_dir(folder)
            .env("npm_config_prefix", root.join("usr/local"))
            .env("npm_config_cache", root.join("cache")));
    };
    fs::create_dir_all(root.join("usr/local/lib")).expect("folders");
    npm(
        &outer,
        &[
            "pack",
            "--pack-destination",
            &folder.path().to_string_lossy(),
        ],
    );
    let tarball = folder.path().join("np-outer-2.0.0.tgz");
    npm(
        folder.path(),
        &["install", "--global", &tarball.to_string_lossy()],
    );
    let project = package(
        "root/home/ada/project",
        r#"{"name":"project","version":"1.0.0"}"#,
    );
    npm(
        &project,
        &["install", &inner.to_string_lossy(), "--install-links"],
    );
    assert!(project.join("node_modules/@np/inner/package.json").exists());
    let all = found(&root, "npm").await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(has(&all, Ecosystem::Npm, "np-outer", "2.0.0"));
    assert!(has(&all, Ecosystem::Npm, "@np/inner", "0.9.1"));
    assert_eq!(all[0].purl(), "pkg:npm/%40np/inner@0.9.1");
}

#[tokio::test]
async fn cargo_installs_a_program_and_says_so() {
    let folder = tempfile::tempdir().expect("folder");
    let root = folder.path().join("root");
    let project = folder.path().join("np-tool");
    write(
        &project.join("Cargo.toml"),
        "[package]\nname = \"np-tool\"\nversion = \"0.3.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    write(&project.join("src/main.rs"), "fn main() {}\n");
    run(Command::new("cargo")
        .args(["install", "--quiet", "--offline", "--debug", "--path"])
        .arg(&project)
        .arg("--root")
        .arg(root.join("usr/local"))
        .env("CARGO_TARGET_DIR", folder.path().join("target")));
    let place = root.join("usr/local/.crates2.json");
    assert!(place.exists());
    let all = found(&root, "cargo").await;
    assert_eq!(
        all,
        [ComponentKey::of_registry(
            Ecosystem::Generic,
            "np-tool",
            "0.3.0"
        )]
    );
    // As cargo 1.95 records what comes from crates.io.
    let list = fs::read_to_string(&place).expect("a list");
    let source = format!("path+file://{}", project.display());
    let recorded = list.replace(
        &source,
        "registry+https://github.com/rust-lang/crates.io-index",
    );
    assert_ne!(list, recorded);
    fs::write(&place, recorded).expect("a list");
    let all = found(&root, "cargo").await;
    assert_eq!(all[0].purl(), "pkg:cargo/np-tool@0.3.0");
}
