//! A host with rpm, dnf and zypper for one test: Debian's packages of them in a root folder that says it is AlmaLinux 9 or openSUSE
//! Leap 15.6.

use crate::host::until;
use crate::repository::{self, Shelf};
use crate::root::{Root, debian};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::provider::Installer;
use netpatch_agent::provider::Step;
use netpatch_agent::provider::dnf::Dnf;
use netpatch_agent::provider::zypper::Zypper;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Base URL that the hosts' repositories name; nobody answers there but the shelf.
pub(crate) const URL: &str = "http://packages.example.invalid/almalinux";
const ALMALINUX: &str = "NAME=\"AlmaLinux\"\nID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"AlmaLinux 9.4\"\nPLATFORM_ID=\"platform:el9\"\n";
const OPENSUSE: &str = "NAME=\"openSUSE Leap\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\nPRETTY_NAME=\"openSUSE Leap 15.6\"\n";
/// Everything that the rpm world's hosts need, and the tools of the others besides: one root for all is made faster.
const PACKAGES: &str = "dnf,rpm,zypper,pacman-package-manager,zstd,gnupg,ca-certificates";

/// The folder of the repository of .rpms.
pub(crate) fn folder() -> PathBuf {
    repository::made_by("mk-rpm-repository.sh", "rpm, createrepo-c and gnupg")
}

/// The root under all clones that are no Debian.
pub(crate) fn base() -> PathBuf {
    debian("others", PACKAGES)
}

/// A host with an installer of the rpm world.
pub(crate) struct RpmHost<I> {
    pub(crate) machine: Root,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) origin: PayloadOrigin,
    pub(crate) installer: I,
}

impl RpmHost<Dnf> {
    /// A host with these packages of the test repository at 1.0-1, its indices fetched.
    pub(crate) async fn with(packages: &[&str]) -> Self {
        let machine = prepared(ALMALINUX);
        let work = machine.path().join("var/lib/netpatch-agent/dnf");
        let dnf = Dnf::new(machine.runner(), work);
        let host = Self::over(machine, dnf).await;
        host.install(&["np-system"]);
        host.install(packages);
        host.refresh().await;
        host
    }

    /// Installs packages of the test repository at 1.0-1, by dnf's own hand for its history.
    pub(crate) fn install(&self, packages: &[&str]) {
        if packages.is_empty() {
            return;
        }
        let mut words = vec!["-y", "-q", "--disablerepo=*", "install"];
        let files = first(&self.machine, packages);
        words.extend(files.iter().map(String::as_str));
        let output = self.machine.inside("dnf", &words);
        assert!(output.status.success(), "{output:?}");
    }
}

impl RpmHost<Zypper> {
    /// The same on openSUSE: installed by rpm, so that all of them count as wanted by a person. Kernels stand side by side, as
    /// SUSE's own configuration has it.
    pub(crate) async fn with_zypper(packages: &[&str]) -> Self {
        let machine = prepared(OPENSUSE);
        write(
            &machine.path().join("etc/zypp/zypp.conf"),
            "[main]\nmultiversion = provides:multiversion(kernel)\n",
        );
        let work = machine.path().join("var/lib/netpatch-agent/zypper");
        let zypper = Zypper::new(machine.runner(), work).waiting(Duration::ZERO);
        let host = Self::over(machine, zypper).await;
        let mut all = vec!["np-system"];
        all.extend(packages);
        let files = first(&host.machine, &all);
        let mut words = vec!["-i"];
        words.extend(files.iter().map(String::as_str));
        let output = host.machine.inside("rpm", &words);
        assert!(output.status.success(), "{output:?}");
        host.refresh().await;
        host
    }
}

/// A root folder with an empty rpm database, the repository's key and the repository.
fn prepared(os_release: &str) -> Root {
    let machine = Root::over(&base());
    let root = machine.path();
    write(&root.join("etc/os-release"), os_release);
    write(&root.join("etc/rpm/macros"), "%_dbpath /var/lib/rpm\n");
    use_repository(&machine, URL, "");
    let key = fs::read(folder().join("key.asc")).expect("the key");
    fs::write(root.join("etc/netpatch-test.asc"), key).expect("the key");
    assert!(machine.inside("rpm", &["--initdb"]).status.success());
    let imported = machine.inside("rpm", &["--import", "/etc/netpatch-test.asc"]);
    assert!(imported.status.success(), "{imported:?}");
    machine
}

/// Brings packages of the test repository at 1.0-1 onto a host.
fn first(machine: &Root, packages: &[&str]) -> Vec<String> {
    let place = machine.path().join("var/tmp/first");
    fs::create_dir_all(&place).expect("a folder");
    let names = packages.iter().map(|package| {
        let name = format!("{package}-1.0-1.noarch.rpm");
        fs::copy(folder().join(&name), place.join(&name)).expect("a package");
        format!("/var/tmp/first/{name}")
    });
    names.collect()
}

impl<I: Installer> RpmHost<I> {
    async fn over(machine: Root, installer: I) -> Self {
        let shelf = Arc::new(Shelf::of(folder()));
        let repositories = installer.repositories().await.expect("repositories");
        let origin = PayloadOrigin::open(Arc::clone(&shelf) as _, repositories)
            .await
            .expect("a port");
        Self {
            machine,
            shelf,
            origin,
            installer,
        }
    }

    pub(crate) async fn refresh(&self) {
        self.installer
            .refresh(Some(&self.origin.url()))
            .await
            .expect("indices of the test repository");
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        self.machine.run_folder()
    }

    /// `name-version-release.arch` of everything, as rpm says it.
    pub(crate) fn packages(&self) -> Vec<String> {
        let output = self.machine.inside("rpm", &["-qa"]);
        let mut lines: Vec<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }

    /// Whether exactly this is installed.
    pub(crate) fn has(&self, package: &str) -> bool {
        self.packages().contains(&format!("{package}-1.noarch"))
    }

    /// The plan for these packages at 2.0-1, with the content list that approves exactly it.
    pub(crate) async fn plan(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let plan = self
            .installer
            .plan(&wanted(packages))
            .await
            .expect("a plan");
        let content = content(&plan);
        (plan, content)
    }

    /// Plans, stages and keeps the state before.
    pub(crate) async fn made_ready(&self, packages: &[&str]) -> (Plan, Vec<ContentItem>) {
        let (plan, content) = self.plan(packages).await;
        let folder = self.run_folder();
        let staged = self
            .installer
            .stage(&plan, &folder, Some(&self.origin.url()))
            .await
            .expect("staged");
        assert!(staged.without_way_back.is_empty(), "{staged:?}");
        self.installer
            .snapshot(&plan, &folder)
            .await
            .expect("a snapshot");
        (plan, content)
    }

    /// Starts the install and waits for its end.
    pub(crate) async fn installed(&self, plan: &Plan) -> Transaction {
        self.installer
            .start_install(plan, &self.run_folder())
            .await
            .expect("starts");
        self.ended(Step::Install).await
    }

    /// Waits until a transaction is over.
    pub(crate) async fn ended(&self, step: Step) -> Transaction {
        ended(&self.installer, &self.run_folder(), step).await
    }

    /// Rolls back and asserts that nothing differs, in our comparison and in rpm's own list.
    pub(crate) async fn rolls_back_to(&self, packages: &[String]) {
        let folder = self.run_folder();
        self.installer.mend(&folder).await.expect("mended");
        self.installer
            .start_rollback(&folder, 1)
            .await
            .expect("starts");
        let state = self.ended(Step::Rollback(1)).await;
        let log = fs::read_to_string(folder.join("rollback-1.log")).unwrap_or_default();
        assert_eq!(state, Transaction::Ended(0), "{log}");
        assert_eq!(
            self.installer.compare(&folder).await.expect("compared"),
            Vec::<String>::new(),
            "{log}"
        );
        assert_eq!(self.packages(), packages);
        let checked = self
            .machine
            .inside("rpm", &["-Va", "--nogroup", "--nouser", "--nomtime"]);
        assert!(checked.stdout.is_empty(), "{checked:?}");
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.run_folder().join(name)).unwrap_or_default()
    }

    pub(crate) async fn components(&self) -> Vec<netpatch_types::ComponentKey> {
        self.installer
            .inventory()
            .await
            .expect("inventory")
            .components
    }
}

/// Waits until a transaction of any package manager is over.
pub(crate) async fn ended(
    installer: &dyn Installer,
    folder: &std::path::Path,
    step: Step,
) -> Transaction {
    until(|| async {
        let state = installer.transaction(folder, step).await.expect("state");
        (!matches!(state, Transaction::Running | Transaction::NotStarted)).then_some(state)
    })
    .await
}

/// Approves exactly a plan.
pub(crate) fn content(plan: &Plan) -> Vec<ContentItem> {
    let items = plan.items.iter().map(|item| ContentItem {
        name: item.name.clone(),
        arch: item.arch.clone(),
        version: item.version.clone().unwrap_or_default(),
        fixed_version: item.version.clone().unwrap_or_default(),
        sha256: item.sha256,
        size_bytes: item.size_bytes,
        remove: item.version.is_none(),
        dependency: item.before.is_none(),
    });
    items.collect()
}

/// The packages at 2.0-1; np-secure has an epoch.
pub(crate) fn wanted(packages: &[&str]) -> Vec<Wanted> {
    packages
        .iter()
        .map(|name| Wanted {
            name: (*name).to_owned(),
            arch: "noarch".into(),
            version: if *name == "np-secure" {
                "1:2.0-1".into()
            } else {
                "2.0-1".into()
            },
        })
        .collect()
}

/// Points the host's dnf and zypper at one repository and nowhere else.
pub(crate) fn use_repository(machine: &Root, url: &str, more: &str) {
    let text = format!(
        "[np]\nname=NetPatch test\nbaseurl={url}\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file:///etc/netpatch-test.asc\n{more}\n"
    );
    for folder in ["etc/yum.repos.d", "etc/zypp/repos.d"] {
        write(&machine.path().join(folder).join("np.repo"), &text);
    }
}

pub(crate) fn write(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    // A link would be followed: /etc/os-release is one.
    let _ = fs::remove_file(path);
    fs::write(path, text).expect("a file");
}
