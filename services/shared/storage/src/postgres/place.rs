//! Where the server runs and as whom: programs, user, folders.

use super::{PostgresError, PostgresResult, PostgresSettings};
use nix::unistd::{Uid, User, chown};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A socket's name has at most 107 bytes; `/.s.PGSQL.5432` and a temporary lock's suffix take 19.
const LONGEST_RUN_FOLDER: usize = 88;

/// Everything that is known before a process starts.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) run: PathBuf,
    pub(super) log: PathBuf,
    pub(super) binaries: PathBuf,
    /// Whom to run as; `None` when we are not root.
    pub(super) user: Option<User>,
}

impl Place {
    /// Finds programs and user, and creates the folders.
    pub(super) fn prepare(settings: &PostgresSettings) -> PostgresResult<Self> {
        let binaries = find_binaries(settings.binaries.as_deref())?;
        let asked = &settings.directory;
        fs::create_dir_all(asked).map_err(PostgresError::file("creating", asked))?;
        let directory = asked
            .canonicalize()
            .map_err(PostgresError::file("resolving", asked))?;
        let cluster = directory.join("cluster");
        let user = find_user(&cluster)?;
        if let Some(user) = &user {
            open_to(&directory, user)?;
        }
        let inside = directory.join("run");
        let run = if inside.as_os_str().len() <= LONGEST_RUN_FOLDER {
            inside
        } else {
            let name =
                netpatch_types::Sha256::of(directory.as_os_str().as_encoded_bytes()).to_string();
            PathBuf::from("/tmp").join(format!("netpatch-{}", &name[..16]))
        };
        private_folder(&run, user.as_ref())?;
        let log = directory.join("log");
        Ok(Self {
            directory,
            cluster,
            run,
            log,
            binaries,
            user,
        })
    }

    /// Gives a path to the server's user.
    pub(super) fn give(&self, path: &Path) -> PostgresResult<()> {
        let Some(user) = &self.user else {
            return Ok(());
        };
        chown(path, Some(user.uid), Some(user.gid))
            .map_err(|error| PostgresError::file("giving away", path)(error.into()))
    }
}

fn find_binaries(configured: Option<&Path>) -> PostgresResult<PathBuf> {
    let complete =
        |folder: &Path| folder.join("initdb").exists() && folder.join("postgres").exists();
    if let Some(folder) = configured {
        return if complete(folder) {
            Ok(folder.to_owned())
        } else {
            Err(PostgresError::NoBinaries {
                looked_in: folder.display().to_string(),
            })
        };
    }
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, folder)| complete(folder))
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder)
        .ok_or_else(|| PostgresError::NoBinaries {
            looked_in: "/usr/lib/postgresql/*/bin".to_owned(),
        })
}

/// Whom to run as when we are root: the owner of an existing cluster, else `postgres`, else `nobody`.
fn find_user(cluster: &Path) -> PostgresResult<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    if let Ok(metadata) = fs::metadata(cluster)
        && let Ok(Some(user)) = User::from_uid(Uid::from_raw(metadata.uid()))
        && !user.uid.is_root()
    {
        return Ok(Some(user));
    }
    let known = ["postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten());
    known.map(Some).ok_or(PostgresError::NoUser)
}

/// Lets the user enter our own directory and the platform's data directory above it (never a home directory), and complains
/// about folders further up that are closed to it.
fn open_to(directory: &Path, user: &User) -> PostgresResult<()> {
    let home = User::from_uid(Uid::effective())
        .ok()
        .flatten()
        .map(|ours| ours.dir);
    for folder in directory
        .ancestors()
        .take(2)
        .filter(|folder| home.as_deref() != Some(folder))
    {
        let metadata = fs::metadata(folder).map_err(PostgresError::file("reading", folder))?;
        let mode = metadata.permissions().mode();
        if metadata.uid() == 0 && mode & 0o001 == 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o001))
                .map_err(PostgresError::file("opening", folder))?;
        }
    }
    for folder in directory.ancestors() {
        let metadata = fs::metadata(folder).map_err(PostgresError::file("reading", folder))?;
        let bit = if metadata.uid() == user.uid.as_raw() {
            0o100
        } else if metadata.gid() == user.gid.as_raw() {
            0o010
        } else {
            0o001
        };
        if metadata.permissions().mode() & bit == 0 {
            return Err(PostgresError::Unreachable {
                user: user.name.clone(),
                folder: folder.display().to_string(),
                directory: directory.display().to_string(),
            });
        }
    }
    Ok(())
}

/// A folder that only the server's user (and root) can enter; refuses one that somebody else prepared.
fn private_folder(folder: &Path, user: Option<&User>) -> PostgresResult<()> {
    let owner = user.map_or(Uid::effective(), |user| user.uid);
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            if let Some(user) = user {
                chown(folder, Some(user.uid), Some(user.gid))
                    .map_err(|error| PostgresError::file("giving away", folder)(error.into()))?;
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let metadata =
                fs::symlink_metadata(folder).map_err(PostgresError::file("reading", folder))?;
            if metadata.is_dir()
                && metadata.uid() == owner.as_raw()
                && metadata.permissions().mode() & 0o077 == 0
            {
                Ok(())
            } else {
                let error =
                    std::io::Error::other("it exists and is not private to the server's user");
                Err(PostgresError::file("using", folder)(error))
            }
        }
        Err(error) => Err(PostgresError::file("creating", folder)(error)),
    }
}
