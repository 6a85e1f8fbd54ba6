//! A root folder for one test: an overlay on tmpfs over a file system that is made once and cached.

use crate::repository;
use netpatch_agent::command::Runner;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// A clone of a base, with the processes of the test in /proc.
    pub(crate) fn over(base: &Path) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the agent's tests make root folders: run them as root"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=1g,mode=755"),
        )
        .expect("a tmpfs");
        for name in ["upper", "work", "root"] {
            fs::create_dir(at(name)).expect("folders of the overlay");
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            at("upper").display(),
            at("work").display()
        );
        mount(
            Some("overlay"),
            &at("root"),
            Some("overlay"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .expect("an overlay");
        mount_proc(&at("root"));
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Programs run inside.
    pub(crate) fn runner(&self) -> Runner {
        let root = self.path();
        let prefix = vec!["chroot".into(), root.to_string_lossy().into_owned()];
        Runner::in_root(root, prefix)
    }

    /// A run's folder on the host.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let folder = self.path().join("var/lib/netpatch-agent/runs/1");
        fs::create_dir_all(&folder).expect("the run's folder");
        folder
    }

    /// Runs a program inside, to its end.
    pub(crate) fn inside(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new("chroot")
            .arg(self.path())
            .arg(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .env("HOME", "/root")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .expect("chroot")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A test that failed must not leave a script behind that waits for ever.
        let _ = fs::remove_file(self.path().join("run/np-held-up.wait"));
        kill_inside(&self.path());
        for place in [
            self.path().join("proc"),
            self.path(),
            self.folder.path().to_owned(),
        ] {
            if let Err(error) = umount2(&place, MntFlags::MNT_DETACH) {
                eprintln!("cannot unmount {}: {error}", place.display());
            }
        }
    }
}

/// Kills what still runs in a root: dnf and pacman leave an agent of gpg behind, which would hold the kernel's notices of files.
fn kill_inside(root: &Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if fs::read_link(entry.path().join("root")).is_ok_and(|inside| inside == root) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// The processes of the test, for programs that enter the root.
pub(crate) fn mount_proc(root: &Path) {
    let (proc, place) = (Some("proc"), root.join("proc"));
    mount(proc, &place, proc, MsFlags::empty(), None::<&str>).expect("proc");
}

/// Kills every process of a session, as a power cut would: supervisor, package manager, script.
pub(crate) fn kill_session(session: &str) {
    let session: i32 = session.parse().expect("a session id");
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let field = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(3));
        if field.and_then(|text| text.parse::<i32>().ok()) == Some(session) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

/// A minimal Debian with further packages, from this machine's own sources.
pub(crate) fn debian(kind: &str, include: &str) -> PathBuf {
    let sources = machine_sources();
    let recipe = format!("minbase 2 {kind} {include}\n{sources}");
    repository::made_once("rootfs", recipe.as_bytes(), |new| {
        let list = new.with_extension("list");
        fs::write(&list, &sources).expect("the sources of the root");
        let unchecked = Command::new("apt-config")
            .args(["shell", "V", "Acquire::Check-Valid-Until/b"])
            .output()
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("false"));
        let mut command = Command::new("mmdebstrap");
        command.args(["--quiet", "--mode=root", "--variant=minbase"]);
        command.arg(format!("--include={include}"));
        command.arg("--aptopt=APT::Install-Recommends \"false\"");
        if unchecked {
            command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"");
        }
        let output = command
            .arg("bookworm")
            .arg(new)
            .arg(&list)
            .output()
            .expect("mmdebstrap is installed");
        let _ = fs::remove_file(&list);
        assert!(
            output.status.success(),
            "mmdebstrap failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::create_dir_all(new.join("etc/apt/keyrings")).expect("keyrings");
    })
}

/// One line for the release's main archive, as this machine's apt knows it.
fn machine_sources() -> String {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ])
        .output()
        .expect("apt-get");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (uri, release, component) = (words.first()?, words.get(1)?, words.get(2)?);
        (*release == "bookworm" && *component == "main")
            .then(|| format!("deb {uri} bookworm main\n"))
    });
    found.expect("this machine's apt knows the main archive of bookworm: run apt-get update")
}
