//! Immutable objects by key, over one client (`aws-sdk-s3`). The embedded default is an S3 server in the process over a folder,
//! reached without a socket.
//!
//! Invariants
//! - An object under a key that names its content never changes; [`Blobs::put_named`] makes such keys.
//! - When [`Blobs::put_durable`] returns, the object survives a power cut. Only then may something be signed over it.
//! - A key consists of plain segments (`a-z A-Z 0-9 . _ - =`) between slashes, at most 120 bytes, and is never the folder of another.

mod embedded;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::Bytes;
use netpatch_types::{ServiceError, Sha256};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;

/// What every function of [`Blobs`] returns.
pub type BlobResult<T> = Result<T, BlobError>;

/// A failed step with blobs.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Not `file:DIR` or `s3://bucket?endpoint=…&region=…`.
    #[error(
        "{0:?} is no address of a blob store; use file:DIR or s3://bucket?endpoint=URL&region=NAME"
    )]
    Address(String),
    /// The key has other characters or is too long.
    #[error("{0:?} is no key of a blob")]
    Key(String),
    /// The store cannot be opened.
    #[error("opening the blob store failed: {0}")]
    Open(String),
    /// The store did not do it.
    #[error("{operation} of the blob {key} failed: {cause}")]
    Store {
        /// `put`, `get`, …
        operation: &'static str,
        /// The key or prefix.
        key: String,
        /// What the store said.
        cause: String,
    },
    /// What the store returned is not what its name says.
    #[error("the blob {0} does not have the content that its name says")]
    Damaged(String),
    /// Written, but not proven durable.
    #[error("flushing the blob {key} to disk failed: {source}")]
    Flush {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<BlobError> for ServiceError {
    /// Logs the cause; the caller gets a class of error without internal text.
    fn from(error: BlobError) -> Self {
        tracing::error!(%error, "blob store failed");
        match error {
            BlobError::Store { .. } => Self::unavailable("the blob store"),
            _ => Self::internal(),
        }
    }
}

/// What requests are signed for where nobody names a region.
const NO_REGION: &str = "us-east-1";

/// A store of blobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    client: Client,
    bucket: String,
    embedded: Option<Arc<embedded::Embedded>>,
}

/// An object that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: String,
    /// Its length.
    pub size_bytes: u64,
    /// When it was written, Unix seconds.
    pub written_at: i64,
}

/// An object that is read piece by piece.
pub struct Reading {
    /// Length of the whole object.
    pub total_bytes: u64,
    /// Its bytes, from where reading began.
    pub bytes: Pin<Box<dyn AsyncRead + Send>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({} bytes)", self.total_bytes)
    }
}

impl Blobs {
    /// Opens a store by address: `file:DIR` (embedded, created if absent; one process at a time) or
    /// `s3://bucket?endpoint=https://…&region=…` (credentials from the environment, as the AWS SDK finds them).
    pub async fn connect(address: &str) -> BlobResult<Self> {
        if let Some(folder) = address.strip_prefix("file:") {
            return embedded::open(PathBuf::from(folder)).await;
        }
        let rest = address
            .strip_prefix("s3://")
            .ok_or_else(|| BlobError::Address(address.to_owned()))?;
        let (bucket, query) = rest.split_once('?').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains('/') {
            return Err(BlobError::Address(address.to_owned()));
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        let (mut own_endpoint, mut own_region) = (false, false);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            loader = match name {
                "endpoint" => {
                    own_endpoint = true;
                    loader.endpoint_url(value)
                }
                "region" => {
                    own_region = true;
                    loader.region(Region::new(value.to_owned()))
                }
                _ => return Err(BlobError::Address(address.to_owned())),
            };
        }
        if own_endpoint && !own_region {
            // A store of somebody else has no regions; the SDK would ask the machine's metadata service for one.
            loader = loader.region(Region::new(NO_REGION));
        }
        let shared = loader.load().await;
        let mut config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(own_endpoint);
        if shared.region().is_none() {
            config = config.region(Region::new(NO_REGION));
        }
        if own_endpoint {
            config = plain_checksums(config);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.to_owned(),
            embedded: None,
        })
    }

    /// Stores an object. Overwrites silently, so the key should name the content or a place that only its owner writes.
    pub async fn put(&self, key: &str, content: impl Into<Bytes>) -> BlobResult<()> {
        let key = checked(key)?;
        let body = content.into().into();
        let sent = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(body)
            .send()
            .await;
        sent.map(drop).map_err(|error| failed("put", key, error))
    }

    /// Stores an object so that it survives a power cut: tiles, checkpoints, reports.
    pub async fn put_durable(&self, key: &str, content: impl Into<Bytes>) -> BlobResult<()> {
        self.put(key, content).await?;
        // A foreign S3 promises durability when it answers.
        let Some(embedded) = self.embedded.clone() else {
            return Ok(());
        };
        let (bucket, name) = (self.bucket.clone(), key.to_owned());
        let flushed =
            tokio::task::spawn_blocking(move || embedded::flush(&embedded.root, &bucket, &name))
                .await;
        flushed
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|source| BlobError::Flush {
                key: key.to_owned(),
                source,
            })
    }

    /// Stores an object durably under the name of its content, unless it is there; the key is [`content_key`].
    pub async fn put_named(
        &self,
        prefix: &str,
        content: impl Into<Bytes>,
    ) -> BlobResult<(String, Sha256)> {
        let content = content.into();
        let digest = Sha256::of(&content);
        let key = content_key(prefix, &digest);
        if !self.exists(&key).await? {
            self.put_durable(&key, content).await?;
        }
        Ok((key, digest))
    }

    /// Reads an object; `None` if there is none.
    pub async fn get(&self, key: &str) -> BlobResult<Option<Bytes>> {
        let key = checked(key)?;
        let output = match self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(output) => output,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed("get", key, error)),
        };
        let body = output.body.collect().await;
        body.map(|body| Some(body.into_bytes()))
            .map_err(|error| failed("get", key, error))
    }

    /// Reads what [`Blobs::put_named`] stored and checks it against its name.
    pub async fn get_named(&self, prefix: &str, digest: &Sha256) -> BlobResult<Option<Bytes>> {
        let key = content_key(prefix, digest);
        match self.get(&key).await? {
            Some(content) if Sha256::of(&content) != *digest => Err(BlobError::Damaged(key)),
            other => Ok(other),
        }
    }

    /// Reads an object from a byte on, without holding it in memory; `None` if there is no such object or no such byte.
    pub async fn read(&self, key: &str, offset: u64) -> BlobResult<Option<Reading>> {
        let key = checked(key)?;
        // No object is so long, and not every server can read the number.
        if i64::try_from(offset).is_err() {
            return Ok(None);
        }
        let part = (offset > 0).then(|| format!("bytes={offset}-"));
        let getting = self.client.get_object().bucket(&self.bucket).key(key);
        let output = match getting.set_range(part).send().await {
            Ok(output) => output,
            Err(error) if is_absent(&error) || ends_before(&error) => return Ok(None),
            Err(error) => return Err(failed("get", key, error)),
        };
        let rest = u64::try_from(output.content_length().unwrap_or(0)).unwrap_or(0);
        Ok(Some(Reading {
            total_bytes: offset.saturating_add(rest),
            bytes: Box::pin(output.body.into_async_read()),
        }))
    }

    /// An address at which whoever has it may read an object for so long, with a range or without; `None` where the store is in this
    /// process and has no address. It says nothing of whether there is such an object.
    pub async fn presigned(&self, key: &str, lifetime: Duration) -> BlobResult<Option<String>> {
        let key = checked(key)?;
        if self.embedded.is_some() {
            return Ok(None);
        }
        let signing = |cause: String| BlobError::Store {
            operation: "presign",
            key: key.to_owned(),
            cause,
        };
        let lifetime =
            PresigningConfig::expires_in(lifetime).map_err(|error| signing(error.to_string()))?;
        let getting = self.client.get_object().bucket(&self.bucket).key(key);
        let signed = getting.presigned(lifetime).await;
        let signed = signed.map_err(|error| signing(DisplayErrorContext(&error).to_string()))?;
        Ok(Some(signed.uri().to_owned()))
    }

    /// Whether there is an object.
    pub async fn exists(&self, key: &str) -> BlobResult<bool> {
        let key = checked(key)?;
        match self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(failed("head", key, error)),
        }
    }

    /// The keys that start with a prefix, in order.
    pub async fn list(&self, prefix: &str) -> BlobResult<Vec<String>> {
        let mut keys: Vec<String> = self
            .stored(prefix)
            .await?
            .into_iter()
            .map(|blob| blob.key)
            .collect();
        keys.sort();
        Ok(keys)
    }

    /// What is stored under a prefix, oldest first.
    pub async fn stored(&self, prefix: &str) -> BlobResult<Vec<Stored>> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut blobs = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("list", prefix, error))?;
            blobs.extend(page.contents().iter().filter_map(|object| {
                Some(Stored {
                    key: object.key()?.to_owned(),
                    size_bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
                    written_at: object.last_modified().map_or(0, |at| at.secs()),
                })
            }));
        }
        blobs.sort_by(|one, other| (one.written_at, &one.key).cmp(&(other.written_at, &other.key)));
        Ok(blobs)
    }

    /// Removes an object; nothing happens if there is none.
    pub async fn delete(&self, key: &str) -> BlobResult<()> {
        let key = checked(key)?;
        match self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("delete", key, error)),
        }
    }
}

/// `<prefix>/<first two digits>/<SHA-256>`.
#[must_use]
pub fn content_key(prefix: &str, digest: &Sha256) -> String {
    let digits = digest.to_string();
    format!("{prefix}/{}/{digits}", &digits[..2])
}

/// Checksums of the SDK's own only where S3 demands them: other servers do not all know its trailers. Content is named by SHA-256.
fn plain_checksums(config: aws_sdk_s3::config::Builder) -> aws_sdk_s3::config::Builder {
    config
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

fn checked(key: &str) -> BlobResult<&str> {
    let plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte))
    };
    if key.len() <= 120 && key.split('/').all(plain) {
        Ok(key)
    } else {
        Err(BlobError::Key(key.chars().take(140).collect()))
    }
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    operation: &'static str,
    key: &str,
    error: E,
) -> BlobError {
    BlobError::Store {
        operation,
        key: key.to_owned(),
        cause: DisplayErrorContext(&error).to_string(),
    }
}

fn is_absent<E>(error: &SdkError<E>) -> bool {
    error
        .raw_response()
        .is_some_and(|response| response.status().as_u16() == 404)
}

fn ends_before<E>(error: &SdkError<E>) -> bool {
    error
        .raw_response()
        .is_some_and(|response| response.status().as_u16() == 416)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain() {
        for good in ["a", "tile/0/x001/067", "org=1/report.pdf"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/./b",
            "ä",
            "a b",
            &"x".repeat(121),
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
