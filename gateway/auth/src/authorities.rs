//! The organizations' certificate authorities, as they were read last: every host that comes is checked under one.
//!
//! A copy counts as long as its file is the one that it was read from, so an authority that is replaced, by whatever process, holds from
//! the next question on.

use netpatch_storage::KeyStamp;
use netpatch_types::OrganizationId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Certificates in memory. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Authorities(Arc<Mutex<HashMap<OrganizationId, Held>>>);

struct Held {
    read_from: KeyStamp,
    der: Vec<u8>,
}

impl Authorities {
    /// The certificate that was read from this very file.
    pub(crate) fn held(&self, of: OrganizationId, stamp: KeyStamp) -> Option<Vec<u8>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.get(&of)?;
        (held.read_from == stamp).then(|| held.der.clone())
    }

    /// Keeps a certificate; `stamp` was taken before it was read, so that a change in between is noticed next time.
    pub(crate) fn hold(&self, of: OrganizationId, stamp: KeyStamp, der: Vec<u8>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read_from = stamp;
        held.insert(of, Held { read_from, der });
    }
}
