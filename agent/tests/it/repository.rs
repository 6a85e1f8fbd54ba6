//! The signed repository of tiny packages, and a payload source that serves it from its folder.

use async_trait::async_trait;
use futures::StreamExt as _;
use netpatch_agent::payload::{PayloadAnswer, PayloadError, PayloadRequest, PayloadSource, Via};
use netpatch_types::Sha256;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Base URL that the hosts' sources name; nobody answers there but the source below.
pub(crate) const URL: &str = "http://packages.example.invalid/debian";

/// The project's cache folder.
pub(crate) fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache")
        });
    base.join("netpatch")
}

/// Makes a folder once per content of its recipe; concurrent test programs wait for each other.
pub(crate) fn made_once(kind: &str, recipe: &[u8], make: impl FnOnce(&Path)) -> PathBuf {
    let parent = cache().join(kind);
    fs::create_dir_all(&parent).expect("the cache folder");
    let place = parent.join(&Sha256::of(recipe).to_string()[..16]);
    let lock = File::create(parent.join("lock")).expect("the cache's lock");
    lock.lock().expect("the cache's lock");
    if !place.exists() {
        let new = place.with_extension("new");
        let _ = fs::remove_dir_all(&new);
        make(&new);
        fs::rename(&new, &place).expect("the finished folder");
    }
    place
}

/// The folder of the repository of .debs.
pub(crate) fn folder() -> PathBuf {
    made_by("mk-repository.sh", "dpkg-dev, apt-utils and gnupg")
}

/// The folder of a repository that a script makes.
pub(crate) fn made_by(script: &str, needs: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/hosts")
        .join(script);
    let recipe = fs::read(&script).expect("the script");
    made_once("test-repository", &recipe, |new| {
        let with = match script.extension().is_some_and(|word| word == "py") {
            true => "python3",
            false => "sh",
        };
        let status = Command::new(with)
            .arg(&script)
            .arg(new)
            .status()
            .unwrap_or_else(|error| panic!("{with}: {error}"));
        assert!(status.success(), "{} needs {needs}", script.display());
    })
}

/// Serves the repository as a relay would; may damage a file.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    /// A file whose name contains this arrives with one byte changed.
    pub(crate) damaged: Mutex<Option<String>>,
    /// A file whose name contains this is gone.
    pub(crate) gone: Mutex<Option<String>>,
    /// Logical repositories that were asked for.
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self::of(folder())
    }

    /// Of a repository's folder.
    pub(crate) fn of(folder: PathBuf) -> Self {
        Self {
            folder,
            damaged: Mutex::new(None),
            gone: Mutex::new(None),
            asked: Mutex::new(Vec::new()),
        }
    }
}

#[async_trait]
impl PayloadSource for Shelf {
    async fn fetch(&self, request: PayloadRequest) -> Result<PayloadAnswer, PayloadError> {
        self.asked
            .lock()
            .expect("lock")
            .push(request.repository.clone());
        let gone = self.gone.lock().expect("lock").clone();
        let found = match gone.filter(|name| request.path.contains(name)) {
            Some(_) => Err(io::ErrorKind::NotFound.into()),
            None => fs::read(self.folder.join(request.path.replace("%2b", "+"))),
        };
        let damaged = self.damaged.lock().expect("lock").clone();
        let (status, body) = match found {
            Ok(mut bytes) => {
                if damaged.is_some_and(|name| request.path.contains(&name)) {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                }
                (200, bytes)
            }
            Err(_) => (404, Vec::new()),
        };
        Ok(PayloadAnswer {
            status,
            size_bytes: Some(body.len() as u64),
            total_bytes: body.len() as u64,
            last_modified: String::new(),
            etag: String::new(),
            content_type: String::new(),
            via: Via::relay(),
            body: futures::stream::once(async move { Ok(body.into()) }).boxed(),
        })
    }
}
