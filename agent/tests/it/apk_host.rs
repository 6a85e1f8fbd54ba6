//! A host with apk for one test: the real apk 3 of Alpine 3.23 in a root folder with a repository of our own.

use crate::repository::{self, Shelf};
use crate::root::Root;
use crate::rpm_host::{content, ended, write};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::apk::Apk;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Base address of the host's repository; nobody answers there but the shelf.
pub(crate) const URL: &str = "http://packages.example.invalid/alpine/v3.23/main";
const ALPINE: &str =
    "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.23.0\nPRETTY_NAME=\"Alpine Linux v3.23\"\n";
/// apk's database, below the root.
pub(crate) const DATABASE: &str = "lib/apk/db/installed";

/// The folder of the repository.
pub(crate) fn folder() -> PathBuf {
    repository::made_by("mk-apk-repository.py", "python3 and openssl")
}

/// The root under all clones.
fn base() -> PathBuf {
    let needs = "python3 with venv, root, and a package index that pip reaches";
    repository::made_by("mk-alpine.py", needs)
}

pub(crate) struct ApkHost {
    pub(crate) machine: Root,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) origin: PayloadOrigin,
    pub(crate) apk: Apk,
}

impl ApkHost {
    /// A host with these packages at 1.0-r0 and their files in its cache; its indices and what could be installed are fetched.
    pub(crate) async fn with(packages: &[&str]) -> Self {
        let host = Self::before_refresh(packages).await;
        host.refresh().await;
        host
    }

    /// The same without anything fetched.
    pub(crate) async fn before_refresh(packages: &[&str]) -> Self {
        let machine = Root::over(&base());
        let root = machine.path();
        write(&root.join("etc/os-release"), ALPINE);
        write(&root.join("etc/apk/repositories"), &format!("{URL}\n"));
        fs::copy(
            folder().join("np.rsa.pub"),
            root.join("etc/apk/keys/np.rsa.pub"),
        )
        .expect("the key");
        std::os::unix::fs::symlink("/var/cache/apk", root.join("etc/apk/cache")).expect("a link");
        let first = root.join("var/tmp/first");
        fs::create_dir_all(&first).expect("a folder");
        let mut words = vec!["--no-network".to_owned(), "add".into()];
        for package in packages {
            let name = format!("{package}-1.0-r0.apk");
            fs::copy(folder().join("x86_64").join(&name), first.join(&name)).expect("a package");
            words.push(format!("/var/tmp/first/{name}"));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = machine.inside("apk", &words);
        assert!(output.status.success(), "{output:?}");
        // A person asks by name; what was brought by another is not asked for.
        let asked = packages.iter().filter(|name| **name != "np-shed");
        let world: String = asked.map(|name| format!("{name}\n")).collect();
        write(&root.join("etc/apk/world"), &world);
        let apk = Apk::new(machine.runner(), root.join("var/lib/netpatch-agent/apk"))
            .waiting(Duration::ZERO);
        let shelf = Arc::new(Shelf::of(folder()));
        let repositories = apk.repositories().await.expect("repositories");
        let origin = PayloadOrigin::open(Arc::clone(&shelf) as _, repositories)
            .await
            .expect("a port");
        let host = Self {
            machine,
            shelf,
            origin,
            apk,
        };
        host.fill_cache(packages);
        host
    }

    pub(crate) async fn refresh(&self) {
        let refreshed = self.apk.refresh(Some(&self.origin.url())).await;
        refreshed.expect("the index of the test repository");
    }

    /// Puts the installed packages' files into the host's cache under apk's names: four bytes of the identity, as hex.
    fn fill_cache(&self, packages: &[&str]) {
        let database = self.database();
        for package in packages {
            let stanza = database
                .split("\n\n")
                .find(|stanza| stanza.contains(&format!("\nP:{package}\n")))
                .expect("an entry");
            let identity = stanza
                .lines()
                .find_map(|line| line.strip_prefix("C:Q1"))
                .expect("an identity");
            let script = format!("import base64; print(base64.b64decode('{identity}').hex()[:8])");
            let output = std::process::Command::new("python3")
                .args(["-c", &script])
                .output()
                .expect("python3");
            let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let cached = format!("var/cache/apk/{package}-1.0-r0.{hash}.apk");
            let file = folder()
                .join("x86_64")
                .join(format!("{package}-1.0-r0.apk"));
            fs::copy(file, self.machine.path().join(cached)).expect("a package");
        }
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        self.machine.run_folder()
    }

    pub(crate) fn database(&self) -> String {
        fs::read_to_string(self.machine.path().join(DATABASE)).expect("apk's database")
    }

    pub(crate) fn world(&self) -> String {
        fs::read_to_string(self.machine.path().join("etc/apk/world")).expect("world")
    }

    /// `name-version` of everything, as apk says it, with world.
    pub(crate) fn packages(&self) -> (Vec<String>, String) {
        let output = self.machine.inside("apk", &["--no-network", "info", "-v"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        (lines, self.world())
    }

    /// Whether exactly this is installed.
    pub(crate) fn has(&self, package: &str) -> bool {
        self.packages().0.iter().any(|line| line == package)
    }

    /// Plans, stages and keeps the state before.
    pub(crate) async fn made_ready(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let plan = self.apk.plan(&wanted(packages)).await.expect("a plan");
        let folder = self.run_folder();
        let staged = self
            .apk
            .stage(&plan, &folder, Some(&self.origin.url()))
            .await;
        let staged = staged.expect("staged");
        assert!(staged.without_way_back.is_empty(), "{staged:?}");
        self.apk.snapshot(&plan, &folder).await.expect("a snapshot");
        let content = content(&plan);
        (plan, content)
    }

    /// Starts the install and waits for its end.
    pub(crate) async fn installed(&self, plan: &Plan) -> Transaction {
        let folder = self.run_folder();
        self.apk.start_install(plan, &folder).await.expect("starts");
        ended(&self.apk, &folder, Step::Install).await
    }

    /// Rolls back and asserts that nothing differs: in our comparison, in apk's own list and world, and in apk's audit of every file.
    pub(crate) async fn rolls_back_to(&self, before: &(Vec<String>, String)) {
        self.rolls_back_at(1, before).await;
    }

    /// The same at the n-th attempt.
    pub(crate) async fn rolls_back_at(&self, attempt: usize, before: &(Vec<String>, String)) {
        let folder = self.run_folder();
        self.apk.mend(&folder).await.expect("mended");
        let started = self.apk.start_rollback(&folder, attempt).await;
        started.expect("starts");
        let state = ended(&self.apk, &folder, Step::Rollback(attempt)).await;
        let log = self.log(&format!("rollback-{attempt}.log"));
        assert_eq!(state, Transaction::Ended(0), "{log}");
        let differences = self.apk.compare(&folder).await.expect("compared");
        assert_eq!(differences, Vec::<String>::new(), "{log}");
        assert_eq!(self.packages(), *before);
        let audit = self.machine.inside("apk", &["audit", "--system"]);
        let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
        assert!(!audit.contains("share/np"), "{audit}");
        let files = fs::read_dir(self.machine.path().join("usr/share/np")).expect("the files");
        for file in files {
            let name = file
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name");
            assert!(
                before.0.contains(&format!("{name}-1.0-r0")),
                "{name} stayed"
            );
        }
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.run_folder().join(name)).unwrap_or_default()
    }
}

pub(crate) fn wanted(packages: &[&str]) -> Vec<Wanted> {
    let wanted = packages.iter().map(|name| Wanted {
        name: (*name).to_owned(),
        arch: "x86_64".into(),
        version: "2.0-r0".into(),
    });
    wanted.collect()
}
