//! The S3 server inside the process over a folder. Requests of the SDK are handed to it in memory; there is no socket.

use super::{BlobError, BlobResult, Blobs, plain_checksums};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::fcntl::{Flock, FlockArg};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BUCKET: &str = "netpatch";

/// Opens the folder, creating it if absent.
pub(super) async fn open(folder: PathBuf) -> BlobResult<Blobs> {
    let opening =
        |error: &dyn std::fmt::Display| BlobError::Open(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder.join(BUCKET)).map_err(|error| opening(&error))?;
    let root = folder.canonicalize().map_err(|error| opening(&error))?;
    let lock = exclusive(root.join(".lock"))
        .await
        .map_err(|error| opening(&error))?;
    let files = s3s_fs::FileSystem::new(&root).map_err(|error| opening(&format!("{error:?}")))?;
    // The keys never leave the process; they exist because the SDK signs and the server checks.
    let (access, secret) = (
        format!("{:032x}", rand::random::<u128>()),
        format!("{:032x}", rand::random::<u128>()),
    );
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(access.clone(), secret.clone()));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(access, secret, None, None, "embedded"))
        .region(Region::new("us-east-1"))
        .endpoint_url("http://blobs.invalid")
        .force_path_style(true)
        .http_client(s3s_aws::Client::from(service.build()));
    Ok(Blobs {
        client: Client::from_conf(plain_checksums(config).build()),
        bucket: BUCKET.to_owned(),
        embedded: Some(Arc::new(Embedded { root, _lock: lock })),
    })
}

/// The folder of the embedded server, held by this process.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) root: PathBuf,
    _lock: Flock<File>,
}

/// Temporary names are counted per process, so two of them would write into each other's files.
async fn exclusive(path: PathBuf) -> io::Result<Flock<File>> {
    let begun = Instant::now();
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    loop {
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, _)) if begun.elapsed() > Duration::from_secs(5) => {
                return Err(io::Error::other("another process uses this folder"));
            }
            Err((file, _)) => file,
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Makes an object durable: its file, the folders up to the bucket, and the files that the server keeps beside it.
pub(super) fn flush(root: &Path, bucket: &str, key: &str) -> io::Result<()> {
    let object = root.join(bucket).join(key);
    File::open(&object)?.sync_all()?;
    let stem = format!(
        ".bucket-{}.object-{}",
        URL_SAFE_NO_PAD.encode(bucket),
        URL_SAFE_NO_PAD.encode(key)
    );
    for suffix in ["internal.json", "metadata.json"] {
        match File::open(root.join(format!("{stem}.{suffix}"))) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for folder in object
        .ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
    {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
