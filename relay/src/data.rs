//! The relay's data directory: its key, what the claim gave it, the last settings of its site.
//!
//! ```text
//! key.der         identity key, PKCS #8, mode 0600, made at the first claim and never replaced
//! claim.json      the claim that waits for a person, mode 0600: killed meanwhile, the relay asks for the same one again
//! identity.json   certificate, CA, platform root, names, server
//! refused.pb      whom the platform does not admit, as last heard, so that they stay out while the edge is away
//! settings.pb     the site's settings as last heard, so that the cache serves while the edge is away
//! status.json     what `status` shows
//! counters.json   what was counted since the relay was set up
//! cache/          payloads
//! ```

use crate::files::{read_if_there, write_atomically};
use netpatch_protocol::site::{RefusedHosts, SiteSettings, StagingPlan};
use netpatch_tunnel::identity::{generate_key, key_fingerprint};
use netpatch_tunnel::{Identity, PlatformTrust, TunnelError};
use netpatch_types::Sha256;
use prost::Message as _;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The folder that holds all that a relay is.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

/// What the claim gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The edge, `host:port`.
    pub server: String,
    /// UUID.
    pub organization_id: String,
    /// UUID.
    pub relay_id: String,
    /// UUID.
    pub site_id: String,
    #[serde(with = "hex::serde")]
    /// The relay's certificate, DER.
    pub certificate: Vec<u8>,
    /// The organization's CA, DER.
    #[serde(with = "hex::serde")]
    pub ca: Vec<u8>,
    /// The platform's root, DER.
    #[serde(with = "hex::serde")]
    pub platform_root: Vec<u8>,
}

/// A claim that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingClaim {
    /// The edge, `host:port`.
    pub server: String,
    /// SHA-256 of the platform root's SubjectPublicKeyInfo.
    pub platform_root: String,
    /// Secret, for polling.
    pub device_code: String,
    /// `BCDF-GHJK`, for the person.
    pub claim_code: String,
    /// When both end, Unix milliseconds.
    pub expires_at_ms: i64,
    /// How often to ask.
    pub interval_seconds: u32,
}

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("cannot read {path}: {reason}")]
    Damaged {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The key can be read by others.
    #[error("key {path} has mode {mode:o}: others can read it; set it to 600")]
    OpenKey {
        /// Which.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// The key cannot be made or used.
    #[error(transparent)]
    Key(#[from] TunnelError),
}

impl DataDir {
    /// Opens the folder, making it if need be.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::File {
            path: path.display().to_string(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        Ok(Self(path.to_owned()))
    }

    /// The folder as it is, or would be: for looking. Only [`Self::key`] and what saves something need it to be there.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A path inside.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The identity key, PKCS #8 DER; `None` before it is made.
    pub fn made_key(&self) -> Result<Option<Vec<u8>>, DataError> {
        let path = self.join("key.der");
        let Some(key) = self.read("key.der")? else {
            return Ok(None);
        };
        let mode = fs::metadata(&path)
            .map_err(|e| self.failed("key.der", e))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(DataError::OpenKey {
                path: path.display().to_string(),
                mode: mode & 0o777,
            });
        }
        Ok(Some(key))
    }

    /// The identity key, PKCS #8 DER; made at the first call.
    pub fn key(&self) -> Result<Vec<u8>, DataError> {
        if let Some(key) = self.made_key()? {
            return Ok(key);
        }
        let key = generate_key()?;
        self.write("key.der", &key, 0o600)?;
        Ok(key)
    }

    /// The key's fingerprint, which people compare when they claim the relay.
    pub fn fingerprint(&self) -> Result<Sha256, DataError> {
        Ok(key_fingerprint(&self.key()?)?)
    }

    /// The same, if the key is made; else empty.
    pub fn made_fingerprint(&self) -> Result<String, DataError> {
        let key = self.made_key()?;
        let fingerprint = key.map(|key| key_fingerprint(&key)).transpose()?;
        Ok(fingerprint.map_or_else(String::new, |digest| digest.to_string()))
    }

    /// What the claim gave; `None` before it.
    pub fn enrolment(&self) -> Result<Option<Enrolment>, DataError> {
        let Some(bytes) = self.read("identity.json")? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some)
            .map_err(|e| self.damaged("identity.json", &e))
    }

    /// Keeps what the claim or a renewal gave.
    pub fn save_enrolment(&self, enrolment: &Enrolment) -> Result<(), DataError> {
        let bytes =
            serde_json::to_vec_pretty(enrolment).map_err(|e| self.damaged("identity.json", &e))?;
        self.write("identity.json", &bytes, 0o600)
    }

    /// The claim that waits for a person; `None` when none does. One that cannot be read is as good as none.
    pub fn pending_claim(&self) -> Result<Option<PendingClaim>, DataError> {
        let bytes = self.read("claim.json")?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps the claim that waits.
    pub fn save_pending_claim(&self, claim: &PendingClaim) -> Result<(), DataError> {
        // Plain data always becomes JSON.
        let bytes = serde_json::to_vec(claim).unwrap_or_default();
        self.write("claim.json", &bytes, 0o600)
    }

    /// No claim waits any more.
    pub fn forget_pending_claim(&self) -> Result<(), DataError> {
        match fs::remove_file(self.join("claim.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.failed("claim.json", error))
            }
            _ => Ok(()),
        }
    }

    /// The site's settings as last heard; none before the first time.
    pub fn settings(&self) -> Result<SiteSettings, DataError> {
        let bytes = self.read("settings.pb")?.unwrap_or_default();
        SiteSettings::decode(bytes.as_slice()).map_err(|e| self.damaged("settings.pb", &e))
    }

    /// Keeps the site's settings.
    pub fn save_settings(&self, settings: &SiteSettings) -> Result<(), DataError> {
        self.write("settings.pb", &settings.encode_to_vec(), 0o600)
    }

    /// What was to be fetched ahead when the edge was last asked; nothing before the first time.
    pub fn staging_plan(&self) -> Result<StagingPlan, DataError> {
        let bytes = self.read("staging.pb")?.unwrap_or_default();
        StagingPlan::decode(bytes.as_slice()).map_err(|e| self.damaged("staging.pb", &e))
    }

    /// Keeps what is to be fetched ahead.
    pub fn save_staging_plan(&self, plan: &StagingPlan) -> Result<(), DataError> {
        self.write("staging.pb", &plan.encode_to_vec(), 0o600)
    }

    /// Whom the platform does not admit, as last heard; `None` before the first time. It may not be whole.
    pub fn refused(&self) -> Result<Option<RefusedHosts>, DataError> {
        let Some(bytes) = self.read("refused.pb")? else {
            return Ok(None);
        };
        let read = RefusedHosts::decode(bytes.as_slice());
        read.map(Some).map_err(|e| self.damaged("refused.pb", &e))
    }

    /// Keeps whom the platform does not admit.
    pub fn save_refused(&self, list: &RefusedHosts) -> Result<(), DataError> {
        self.write("refused.pb", &list.encode_to_vec(), 0o600)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        read_if_there(&self.join(name)).map_err(|e| self.failed(name, e))
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), DataError> {
        write_atomically(&self.join(name), bytes, mode).map_err(|e| self.failed(name, e))
    }

    fn failed(&self, name: &str, source: std::io::Error) -> DataError {
        DataError::File {
            path: self.join(name).display().to_string(),
            source,
        }
    }

    fn damaged(&self, name: &str, reason: &dyn std::fmt::Display) -> DataError {
        DataError::Damaged {
            path: self.join(name).display().to_string(),
            reason: reason.to_string(),
        }
    }
}

impl Enrolment {
    /// Certificate and key together.
    #[must_use]
    pub fn identity(&self, key: Vec<u8>) -> Identity {
        Identity::new(self.certificate.clone(), key)
    }

    /// The pinned platform root.
    #[must_use]
    pub fn trust(&self) -> PlatformTrust {
        PlatformTrust::Roots(vec![CertificateDer::from(self.platform_root.clone())])
    }
}
