//! A host with pacman for one test: Debian's package of it in a root folder that says it is Arch Linux.

use crate::repository::{self, Shelf};
use crate::root::Root;
use crate::rpm_host::{base, content, ended, write};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::pacman::Pacman;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// Base URL that the host's repository names; nobody answers there but the shelf.
pub(crate) const URL: &str = "http://packages.example.invalid/arch";

/// The folder of the repository.
pub(crate) fn folder() -> PathBuf {
    repository::made_by("mk-pacman-repository.sh", "tar, gzip and gnupg")
}

pub(crate) struct PacmanHost {
    pub(crate) machine: Root,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) origin: PayloadOrigin,
    pub(crate) pacman: Pacman,
}

impl PacmanHost {
    /// A host with these packages at 1.0-1 and their files in its cache.
    pub(crate) async fn with(packages: &[&str]) -> Self {
        let machine = Root::over(&base());
        let root = machine.path();
        write(
            &root.join("etc/os-release"),
            "ID=arch\nPRETTY_NAME=\"Arch Linux\"\nBUILD_ID=rolling\n",
        );
        configure(&machine, URL, "Required DatabaseOptional", "");
        let ring = root.join("etc/pacman.d/gnupg");
        fs::create_dir_all(root.join("etc/pacman.d")).expect("folder");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(folder().join("gnupg"))
            .arg(&ring)
            .status();
        assert!(copied.expect("cp").success());
        let cache = root.join("var/cache/pacman/pkg");
        fs::create_dir_all(&cache).expect("the cache");
        let mut words = vec![
            "--noconfirm".to_owned(),
            "--noprogressbar".into(),
            "-U".into(),
        ];
        for package in packages {
            let name = format!("{package}-1.0-1-any.pkg.tar.gz");
            fs::copy(folder().join(&name), cache.join(&name)).expect("a package");
            words.push(format!("/var/cache/pacman/pkg/{name}"));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = machine.inside("pacman", &words);
        assert!(output.status.success(), "{output:?}");
        let pacman = Pacman::new(machine.runner(), root.join("var/lib/netpatch-agent/pacman"));
        let shelf = Arc::new(Shelf::of(folder()));
        let repositories = pacman.repositories().await.expect("repositories");
        let origin = PayloadOrigin::open(Arc::clone(&shelf) as _, repositories)
            .await
            .expect("a port");
        let host = Self {
            machine,
            shelf,
            origin,
            pacman,
        };
        let refreshed = host.pacman.refresh(Some(&host.origin.url())).await;
        refreshed.expect("the database of the test repository");
        host
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        self.machine.run_folder()
    }

    /// `name version` of everything, as pacman says it, with what is installed only for others.
    pub(crate) fn packages(&self) -> (String, String) {
        let ask = |word| {
            let output = self.machine.inside("pacman", &[word]);
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        (ask("-Q"), ask("-Qd"))
    }

    /// Whether exactly this is installed.
    pub(crate) fn has(&self, package: &str) -> bool {
        self.packages().0.lines().any(|line| line == package)
    }

    /// Plans, stages and keeps the state before.
    pub(crate) async fn made_ready(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let plan = self.pacman.plan(&wanted(packages)).await.expect("a plan");
        let folder = self.run_folder();
        let staged = self
            .pacman
            .stage(&plan, &folder, Some(&self.origin.url()))
            .await;
        let staged = staged.expect("staged");
        assert!(staged.without_way_back.is_empty(), "{staged:?}");
        self.pacman
            .snapshot(&plan, &folder)
            .await
            .expect("a snapshot");
        let content = content(&plan);
        (plan, content)
    }

    /// Starts the install and waits for its end.
    pub(crate) async fn installed(&self, plan: &Plan) -> Transaction {
        let folder = self.run_folder();
        self.pacman
            .start_install(plan, &folder)
            .await
            .expect("starts");
        ended(&self.pacman, &folder, Step::Install).await
    }

    /// Rolls back and asserts that nothing differs, in our comparison and in pacman's own list.
    pub(crate) async fn rolls_back_to(&self, packages: &(String, String)) {
        let folder = self.run_folder();
        self.pacman.mend(&folder).await.expect("mended");
        self.pacman
            .start_rollback(&folder, 1)
            .await
            .expect("starts");
        let state = ended(&self.pacman, &folder, Step::Rollback(1)).await;
        let log = fs::read_to_string(folder.join("rollback-1.log")).unwrap_or_default();
        assert_eq!(state, Transaction::Ended(0), "{log}");
        let differences = self.pacman.compare(&folder).await.expect("compared");
        assert_eq!(differences, Vec::<String>::new(), "{log}");
        assert_eq!(self.packages(), *packages);
        for line in packages.0.lines() {
            let (name, version) = line.split_once(' ').expect("name and version");
            let file = self.machine.path().join("usr/share/np").join(name);
            let text = fs::read_to_string(file).expect("the package's file");
            assert_eq!(text.trim(), version, "{name}");
        }
    }
}

pub(crate) fn wanted(packages: &[&str]) -> Vec<Wanted> {
    let wanted = packages.iter().map(|name| Wanted {
        name: (*name).to_owned(),
        arch: "any".into(),
        version: "2.0-1".into(),
    });
    wanted.collect()
}

/// Points the host's pacman at one repository and nowhere else.
pub(crate) fn configure(machine: &Root, url: &str, level: &str, more: &str) {
    let text = format!(
        "[options]\nArchitecture = auto\nSigLevel = {level}\nLocalFileSigLevel = Optional\n{more}\n[np]\nServer = {url}\n"
    );
    write(&machine.path().join("etc/pacman.conf"), &text);
}
