//! The host's files for providers that look into folders which anybody may write: nothing is followed, everything is bounded.
//!
//! Invariants: no symbolic link is followed, neither in a path nor at its end, so a link leads nowhere, least of all out of the
//! root; only plain files are read, never a pipe or a device; network and kernel file systems are not entered.

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::statfs::fstatfs;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Component, Path, PathBuf};

/// Most entries of one folder.
pub(crate) const MAX_ENTRIES: usize = 50_000;

/// File systems of the network and of the kernel (statfs(2)): a scan would hang there, or find nothing that is installed.
const FOREIGN: [i64; 20] = [
    0x6969,      // nfs
    0xff53_4d42, // cifs
    0xfe53_4d42, // smb2
    0x517b,      // smb
    0x0102_1997, // 9p
    0x6573_5546, // fuse: sshfs, s3fs, rclone
    0x00c3_6400, // ceph
    0x5346_414f, // afs
    0x7461_636f, // ocfs2
    0x0116_1970, // gfs2
    0x0bd0_0bd0, // lustre
    0x0187,      // autofs
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0xcafe_4a11, // bpf
    0x1cd1,      // devpts
];

/// What stands in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A folder.
    Folder,
    /// A plain file.
    File,
    /// A link, a pipe, a device.
    Other,
}

/// The files under a root. Paths are relative to it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Of a host's root.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Opens a plain file for reading.
    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        let file = self.descriptor(path, OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a plain file",
            ))
        }
    }

    /// A file's bytes; an error when it has more than `most`.
    pub(crate) fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {most} bytes"),
            ));
        }
        Ok(bytes)
    }

    /// The first bytes of a file, at most so many.
    pub(crate) fn head(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What stands in a folder, sorted by name; names that are not UTF-8 are left out. An error when there is too much of it.
    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<(String, Kind)>> {
        let folder = self.descriptor(path, OFlag::O_DIRECTORY)?;
        // By descriptor: whoever swaps the folder for a link meanwhile changes nothing.
        let entries = fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry?;
            if all.len() >= MAX_ENTRIES {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    format!("more than {MAX_ENTRIES} entries"),
                ));
            }
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_dir() => Kind::Folder,
                Ok(kind) if kind.is_file() => Kind::File,
                _ => Kind::Other,
            };
            all.push((name, kind));
        }
        all.sort();
        Ok(all)
    }

    /// Where a link leads, as it is written; it is not followed.
    pub(crate) fn link(&self, path: &Path) -> io::Result<String> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = self.descriptor(folder, OFlag::O_DIRECTORY)?;
        let target = readlinkat(&folder, name)?;
        target
            .into_string()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
    }

    /// Whether a folder is there and on a file system of the machine's own.
    pub(crate) fn is_local_folder(&self, path: &Path) -> bool {
        self.descriptor(path, OFlag::O_DIRECTORY)
            .and_then(|folder| Ok(fstatfs(&folder)?))
            .is_ok_and(|found| {
                let kind = found.filesystem_type().0 & 0xffff_ffff;
                !FOREIGN.contains(&kind)
            })
    }

    /// Whether a plain file is there.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        self.open(path).is_ok()
    }

    fn descriptor(&self, path: &Path, flags: OFlag) -> io::Result<File> {
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a path under the root",
            ));
        }
        let root = File::open(&self.root)?;
        let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH);
        Ok(openat2(&root, path, how)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_is_followed_and_only_plain_files_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let outside = tempfile::tempdir().expect("folder");
        fs::write(outside.path().join("secret"), "x").expect("a file");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).expect("a folder");
        fs::write(at("real/file"), "12345").expect("a file");
        symlink(outside.path(), at("out")).expect("a link");
        symlink(at("real/file"), at("real/link")).expect("a link");
        nix::unistd::mkfifo(&at("real/pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let tree = Tree::new(folder.path());
        assert_eq!(
            tree.read(Path::new("real/file"), 5).expect("read"),
            b"12345"
        );
        tree.read(Path::new("real/file"), 4).expect_err("too long");
        assert_eq!(tree.head(Path::new("real/file"), 2).expect("read"), b"12");
        for path in [
            "real/link",
            "real/pipe",
            "out/secret",
            "real",
            "../x",
            "/etc/passwd",
            "real/../real/file",
        ] {
            tree.read(Path::new(path), 100).expect_err(path);
        }
        assert_eq!(
            tree.list(Path::new("real")).expect("listed"),
            [
                ("file", Kind::File),
                ("link", Kind::Other),
                ("pipe", Kind::Other)
            ]
            .map(|(name, kind)| (name.to_owned(), kind))
        );
        tree.list(Path::new("out")).expect_err("a link");
        assert!(tree.is_local_folder(Path::new("real")) && !tree.is_local_folder(Path::new("out")));
        assert!(!Tree::new(Path::new("/")).is_local_folder(Path::new("proc")));
    }
}
