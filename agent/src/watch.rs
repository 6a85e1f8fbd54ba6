//! Notices that something was installed or removed: inotify(7) on the databases of all providers.
//!
//! Invariants: a file is watched through its folder, because package managers replace files; a burst of changes is one change,
//! reported when it has been quiet for a while or has gone on for long; the number of watches is limited. A host without inotify
//! is scanned by its schedule alone.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

/// Most folders.
const MAX_FOLDERS: usize = 500;
/// A change is over when it has been quiet for so long.
const QUIET: Duration = Duration::from_secs(10);
/// A change that does not end is reported after this.
const LONGEST: Duration = Duration::from_secs(60);

/// Places under a root that are watched.
pub struct Watch {
    root: PathBuf,
    kernel: Option<AsyncFd<Kernel>>,
    /// What of a folder counts: some names, or all when there are none.
    folders: BTreeMap<PathBuf, BTreeSet<String>>,
    descriptors: BTreeMap<PathBuf, WatchDescriptor>,
    change: Change,
}

/// A change that may go on.
#[derive(Debug)]
struct Change {
    quiet: Duration,
    longest: Duration,
    /// When it began, and when its newest part came.
    since: Option<(Instant, Instant)>,
}

impl Change {
    fn new(quiet: Duration, longest: Duration) -> Self {
        Self {
            quiet,
            longest,
            since: None,
        }
    }

    fn more(&mut self, now: Instant) {
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
    }

    /// When it is told; `None` when nothing has changed.
    fn due(&self) -> Option<Instant> {
        self.since
            .map(|(first, last)| (first + self.longest).min(last + self.quiet))
    }

    fn over(&mut self) {
        self.since = None;
    }
}

struct Kernel(Inotify);

impl AsRawFd for Kernel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe because a descriptor might be closed or replaced meanwhile: the value owns this one"
)]
fn ready(inotify: Inotify) -> io::Result<AsyncFd<Kernel>> {
    AsyncFd::new(Kernel(inotify))
}

/// Asked for again at the next occasion when there is none: other programs may hold all that the kernel gives.
fn begin() -> Option<AsyncFd<Kernel>> {
    let kernel = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
        .map_err(io::Error::from)
        .and_then(ready);
    if let Err(error) = &kernel {
        tracing::warn!(%error, "changes of the host are not noticed before the next scan");
    }
    kernel.ok()
}

impl Watch {
    /// Nothing is watched yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self::patient(root, QUIET, LONGEST)
    }

    /// With other pauses.
    #[must_use]
    pub fn patient(root: &Path, quiet: Duration, longest: Duration) -> Self {
        Self {
            root: root.to_owned(),
            kernel: None,
            folders: BTreeMap::new(),
            descriptors: BTreeMap::new(),
            change: Change::new(quiet, longest),
        }
    }

    /// Watches these files and folders, as the host sees them, and nothing else. What is not there is left out.
    pub fn set(&mut self, places: &BTreeSet<String>) {
        let mut wanted: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        for place in places {
            let path = self.root.join(place.trim_start_matches('/'));
            let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir());
            let (folder, name) = if is_folder {
                (path, None)
            } else {
                let name = path.file_name().and_then(OsStr::to_str).map(str::to_owned);
                match path.parent() {
                    Some(folder) => (folder.to_owned(), name),
                    None => continue,
                }
            };
            if wanted.len() < MAX_FOLDERS || wanted.contains_key(&folder) {
                wanted.entry(folder).or_default().extend(name);
            }
        }
        if self.kernel.is_none() {
            self.kernel = begin();
        }
        let Some(kernel) = &self.kernel else { return };
        let inotify = &kernel.get_ref().0;
        self.descriptors.retain(|folder, descriptor| {
            let stays = wanted.contains_key(folder);
            if !stays {
                let _ = inotify.rm_watch(*descriptor);
            }
            stays
        });
        let what = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ONLYDIR
            | AddWatchFlags::IN_DONT_FOLLOW;
        for folder in wanted.keys() {
            // Again each time: a folder of this name may be another one by now.
            match inotify.add_watch(folder, what) {
                Ok(descriptor) => drop(self.descriptors.insert(folder.clone(), descriptor)),
                Err(Errno::ENOENT | Errno::ENOTDIR) => drop(self.descriptors.remove(folder)),
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "a folder is not watched");
                }
            }
        }
        self.folders = wanted;
    }

    /// Waits until something has changed and the change is over. May be dropped at any time; nothing is lost.
    pub async fn changed(&mut self) {
        loop {
            let due = self.change.due();
            let over = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let readable = async {
                match &self.kernel {
                    Some(kernel) => kernel.readable().await.map(|mut guard| guard.clear_ready()),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => {
                    self.change.over();
                    return;
                }
                ready = readable => {
                    if ready.is_err() {
                        // The runtime is ending.
                        std::future::pending::<()>().await;
                    }
                    if self.read() {
                        self.change.more(Instant::now());
                    }
                }
            }
        }
    }

    /// Reads all that there is; whether any of it counts.
    fn read(&mut self) -> bool {
        let Some(kernel) = &self.kernel else {
            return false;
        };
        let mut counts = false;
        while let Ok(events) = kernel.get_ref().0.read_events() {
            if events.is_empty() {
                break;
            }
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    counts = true;
                    continue;
                }
                let names = self
                    .descriptors
                    .iter()
                    .find(|(_, descriptor)| **descriptor == event.wd)
                    .and_then(|(folder, _)| self.folders.get(folder));
                let name = event
                    .name
                    .as_deref()
                    .and_then(OsStr::to_str)
                    .unwrap_or_default();
                counts |= names.is_some_and(|names| {
                    if names.is_empty() {
                        !name.starts_with(['.', '_', '~'])
                    } else {
                        names.contains(name)
                    }
                });
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LONG: Duration = Duration::from_secs(600);

    fn places(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|place| (*place).to_owned()).collect()
    }

    /// Whether the change is noticed: what the kernel has said is there to read when the call that caused it has returned.
    fn noticed(watch: &mut Watch) -> bool {
        watch.read()
    }

    #[tokio::test]
    async fn a_replaced_file_and_a_new_package_count_and_nothing_else_does() {
        let root = tempfile::tempdir().expect("folder");
        let dpkg = root.path().join("var/lib/dpkg");
        let site = root.path().join("opt/site-packages");
        fs::create_dir_all(&dpkg).expect("folders");
        fs::create_dir_all(&site).expect("folders");
        fs::write(dpkg.join("status"), "1").expect("a file");
        let mut watch = Watch::patient(root.path(), LONG, LONG);
        let wanted = ["/var/lib/dpkg/status", "/opt/site-packages", "/not/there"];
        watch.set(&places(&wanted));
        fs::write(dpkg.join("status-new"), "2").expect("a file");
        fs::write(dpkg.join("lock"), "").expect("a file");
        assert!(!noticed(&mut watch));
        fs::rename(dpkg.join("status-new"), dpkg.join("status")).expect("renamed");
        assert!(noticed(&mut watch));
        fs::create_dir(site.join("__pycache__")).expect("a folder");
        fs::create_dir(site.join(".tmp")).expect("a folder");
        assert!(!noticed(&mut watch));
        fs::create_dir(site.join("a-1.dist-info")).expect("a folder");
        assert!(noticed(&mut watch));
        watch.set(&places(&["/var/lib/dpkg/status"]));
        watch.read();
        fs::create_dir(site.join("b-1.dist-info")).expect("a folder");
        assert!(!noticed(&mut watch));
    }

    #[test]
    fn a_burst_is_one_change_and_one_that_does_not_end_is_told() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut change = Change::new(QUIET, LONGEST);
        assert_eq!(change.due(), None);
        for second in 0..5 {
            change.more(at(second));
            assert_eq!(change.due(), Some(at(second) + QUIET));
        }
        for second in 5..100 {
            change.more(at(second));
        }
        assert_eq!(change.due(), Some(began + LONGEST));
        change.over();
        assert_eq!(change.due(), None);
    }

    #[tokio::test]
    async fn a_change_is_told_when_it_is_over() {
        let root = tempfile::tempdir().expect("folder");
        let mut watch = Watch::patient(root.path(), Duration::from_millis(5), LONG);
        watch.set(&places(&["/"]));
        fs::write(root.path().join("a"), "").expect("a file");
        let told = tokio::time::timeout(Duration::from_secs(60), watch.changed());
        told.await.expect("told");
        assert_eq!(watch.change.due(), None);
    }
}
