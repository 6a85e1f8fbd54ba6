//! A host with apt for one test. Its sources name only the test repository, so no test needs a network.

use crate::repository::{self, Shelf, URL};
use crate::root::{self, Root};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::apt::Apt;
use netpatch_agent::provider::{Installer as _, Step};
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Everything that a test is ready to wait for ends within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Host {
    machine: Root,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) origin: PayloadOrigin,
    pub(crate) apt: Apt,
}

impl Host {
    /// A host with these packages of the test repository at 1.0-1.
    pub(crate) async fn with(packages: &[&str]) -> Self {
        let machine = Root::over(&base());
        let root = machine.path();
        use_sources(&root, URL);
        let runner = machine.runner();
        let work = root.join("var/lib/netpatch-agent");
        fs::create_dir_all(&work).expect("the agent's folder");
        let apt = Apt::new(runner, work);
        let shelf = Arc::new(Shelf::new());
        let repositories = apt.repositories().await.expect("sources");
        let origin = PayloadOrigin::open(Arc::clone(&shelf) as _, repositories)
            .await
            .expect("a port");
        let host = Self {
            machine,
            shelf,
            origin,
            apt,
        };
        host.apt
            .refresh(Some(&host.origin.url()))
            .await
            .expect("indices of the test repository");
        if !packages.is_empty() {
            host.install(packages).await;
        }
        host
    }

    /// Installs packages of the test repository at 1.0-1.
    pub(crate) async fn install(&self, packages: &[&str]) {
        let names: Vec<String> = packages
            .iter()
            .map(|name| format!("{name}=1.0-1"))
            .collect();
        let proxy = format!("Acquire::http::Proxy={}", self.origin.url());
        let mut words = vec!["-y", "-q", "-o", &proxy, "install"];
        words.extend(names.iter().map(String::as_str));
        let output = self.apt_get(&words).await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.machine.path()
    }

    /// A run's folder on the host.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.machine.run_folder()
    }

    /// Runs a program inside, to its end.
    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> Output {
        self.machine.inside(program, arguments)
    }

    /// apt-get inside; the loopback proxy goes on serving meanwhile.
    async fn apt_get(&self, arguments: &[&str]) -> Output {
        tokio::process::Command::new("chroot")
            .arg(self.root())
            .arg("apt-get")
            .args(arguments)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .await
            .expect("chroot")
    }

    /// dpkg's status file.
    pub(crate) fn status(&self) -> String {
        fs::read_to_string(self.root().join("var/lib/dpkg/status")).expect("status")
    }

    /// The installed version as dpkg-query says it.
    pub(crate) fn version(&self, package: &str) -> String {
        let output = self.inside(
            "dpkg-query",
            &["-W", "-f", "${Version} ${db:Status-Status}", package],
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The plan for these packages at 2.0-1, with the content list that approves exactly it.
    pub(crate) async fn plan(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let plan = self.apt.plan(&wanted(packages)).await.expect("a plan");
        let content = plan
            .items
            .iter()
            .map(|item| ContentItem {
                name: item.name.clone(),
                arch: item.arch.clone(),
                version: item.version.clone().unwrap_or_default(),
                fixed_version: item.version.clone().unwrap_or_default(),
                sha256: item.sha256,
                size_bytes: item.size_bytes,
                remove: item.version.is_none(),
                dependency: item.before.is_none(),
            })
            .collect();
        (plan, content)
    }

    /// Plans, stages and keeps the state before.
    pub(crate) async fn made_ready(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let (plan, content) = self.plan(packages).await;
        let folder = self.run_folder();
        let staged = self
            .apt
            .stage(&plan, &folder, Some(&self.origin.url()))
            .await
            .expect("staged");
        assert!(staged.without_way_back.is_empty(), "{staged:?}");
        self.apt.snapshot(&plan, &folder).await.expect("a snapshot");
        (plan, content)
    }

    /// Waits until a transaction is over.
    pub(crate) async fn ended(&self, step: Step) -> Transaction {
        let folder = self.run_folder();
        until(|| async {
            let state = self.apt.transaction(&folder, step).await.expect("state");
            (!matches!(state, Transaction::Running | Transaction::NotStarted)).then_some(state)
        })
        .await
    }

    /// Rolls back and asserts that nothing differs, in our comparison and in dpkg's own file.
    pub(crate) async fn rolls_back_to(&self, status: &str) {
        let folder = self.run_folder();
        self.apt.mend(&folder).await.expect("mended");
        self.apt.start_rollback(&folder, 1).await.expect("starts");
        let state = self.ended(Step::Rollback(1)).await;
        let log = fs::read_to_string(folder.join("rollback-1.log")).unwrap_or_default();
        assert_eq!(state, Transaction::Ended(0), "{log}");
        assert_eq!(
            self.apt.compare(&folder).await.expect("compared"),
            Vec::<String>::new(),
            "{log}"
        );
        assert_eq!(sorted(&self.status()), sorted(status));
        assert!(self.inside("dpkg", &["--audit"]).stdout.is_empty());
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited for too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn wanted(packages: &[&str]) -> Vec<Wanted> {
    packages
        .iter()
        .map(|name| Wanted {
            name: (*name).to_owned(),
            arch: "all".into(),
            version: "2.0-1".into(),
        })
        .collect()
}

/// Points the host's apt at the test repository and nowhere else.
pub(crate) fn use_sources(root: &Path, url: &str) {
    let key = fs::read(repository::folder().join("key.asc")).expect("the key");
    fs::write(root.join("etc/apt/keyrings/netpatch-test.asc"), key).expect("the key");
    let _ = fs::remove_dir_all(root.join("etc/apt/sources.list.d"));
    let line = format!("deb [signed-by=/etc/apt/keyrings/netpatch-test.asc] {url} stable main\n");
    fs::write(root.join("etc/apt/sources.list"), line).expect("sources");
}

fn sorted(status: &str) -> Vec<&str> {
    let mut stanzas: Vec<&str> = status
        .split("\n\n")
        .map(str::trim)
        .filter(|stanza| !stanza.is_empty())
        .collect();
    stanzas.sort_unstable();
    stanzas
}

/// The minimal Debian under all clones.
fn base() -> PathBuf {
    root::debian("apt", "dpkg-repack,systemd-sysv")
}
