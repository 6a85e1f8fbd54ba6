//! The director keys, one an organization, read once.

use netpatch_proof::{Ed25519Signer, Signer as _};
use netpatch_protocol::{Document, document::Envelope, seal};
use netpatch_storage::KeyFolder;
use netpatch_types::{ServiceError, ServiceResult, TenantId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

pub(super) struct Signers {
    folder: KeyFolder,
    read: RwLock<HashMap<TenantId, Arc<Ed25519Signer>>>,
}

impl Signers {
    pub(super) fn new(folder: KeyFolder) -> Self {
        Self {
            folder,
            read: RwLock::default(),
        }
    }

    pub(super) fn public_key(&self, tenant: TenantId) -> ServiceResult<Vec<u8>> {
        Ok(self.signer(tenant)?.public_key().as_bytes().to_vec())
    }

    /// The signed form of a document.
    pub(super) fn seal<D: Document>(
        &self,
        tenant: TenantId,
        document: &D,
    ) -> ServiceResult<Envelope> {
        seal(document, &[&*self.signer(tenant)?]).map_err(|error| {
            tracing::error!(%error, %tenant, "signing with the director key failed");
            ServiceError::internal()
        })
    }

    fn signer(&self, tenant: TenantId) -> ServiceResult<Arc<Ed25519Signer>> {
        if let Some(signer) = self
            .read
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tenant)
        {
            return Ok(signer.clone());
        }
        let secret = self
            .folder
            .secret(&format!("{tenant}/director"))
            .map_err(|error| {
                tracing::error!(%error, %tenant, "the director key cannot be read");
                ServiceError::internal()
            })?;
        let signer = Arc::new(Ed25519Signer::from_secret(&secret));
        self.read
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tenant, signer.clone());
        Ok(signer)
    }
}
