//! Who is who: organizations, delegations, sites, users, API clients, enrolment, certificates, relays.
//!
//! Owns the schema `identity` and ends every way of signing in (portal cookie, CLI bearer, API client's JWT, host's or
//! relay's certificate) in one [`Principal`] or subject, and so in one `RequestContext`.
//!
//! Invariants
//! - Secrets are stored as hashes only (passwords: argon2id; random tokens: SHA-256) and are shown once.
//! - A certificate is believed only under the CA of the organization that its name claims, and while its row is not revoked.
//! - Guessing is slow: wrong passwords count per e-mail address, wrong claim codes per account.
//! - What a partner may do for a customer is read from the customer's own delegation row at each request.
//! - Keys are files of mode 0600 in a [`KeyFolder`](netpatch_storage::KeyFolder).

mod access;
mod attempts;
mod authorities;
mod bootstrap;
mod certificate;
mod claim;
mod client;
mod delegation;
mod enrolment;
mod event;
mod idempotency;
mod migrations;
mod organization;
mod password;
mod platform;
mod principal;
mod relay;
mod secret;
mod session;
mod site;
mod user;

pub use access::Role;
pub use bootstrap::BootstrapAdmin;
pub use certificate::{IssuedCertificate, Subject, certificate_revoked};
pub use claim::{Claim, ClaimPreview, ClaimStart, ClaimState, ClaimTaken};
pub use client::{AccessToken, ApiClient, ApiClientCreate, ApiClientCreated};
pub use delegation::{Delegation, DelegationStatus};
pub use enrolment::{EnrolmentGrant, EnrolmentToken, EnrolmentTokenCreate};
pub use event::{IdentityEvent, IdentityEventV1};
pub use idempotency::Idempotency;
pub use migrations::migrations;
pub use organization::{Organization, OrganizationKind};
pub use platform::{EdgeIdentity, RoleKeys};
pub use principal::{Access, Principal};
pub use relay::{Relay, RelayReport, RelayStatus, StagedWave, hit_ratio};
pub use session::{SessionKind, SessionToken};
pub use site::{Mirrors, Site, SiteCreate, SiteUpdate};
pub use user::{Member, User, UserCreate};

use netpatch_storage::{Database, KeyFolder};
use netpatch_types::SharedClock;
use std::sync::Arc;

/// How long things last.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Life of a portal or CLI session.
    pub session: chrono::Duration,
    /// Life of a host's or relay's certificate; renewed at half.
    pub certificate: chrono::Duration,
    /// How long after its end a certificate still renews.
    pub renewal_grace: chrono::Duration,
    /// The issuer in access tokens.
    pub issuer: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session: chrono::Duration::hours(12),
            certificate: chrono::Duration::days(30),
            renewal_grace: chrono::Duration::days(180),
            issuer: "netpatch".to_owned(),
        }
    }
}

/// Everything about identity. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    db: Database,
    keys: KeyFolder,
    clock: SharedClock,
    settings: Arc<Settings>,
    /// Failed sign-ins for each e-mail address, by its hash.
    failed_sign_ins: attempts::Attempts<Vec<u8>>,
    authorities: authorities::Authorities,
}

impl Auth {
    /// Over a migrated database and a folder of keys.
    #[must_use]
    pub fn new(db: Database, keys: KeyFolder, clock: SharedClock, settings: Settings) -> Self {
        Self {
            db,
            keys,
            clock,
            settings: Arc::new(settings),
            failed_sign_ins: attempts::Attempts::new(10, chrono::Duration::minutes(1)),
            authorities: authorities::Authorities::default(),
        }
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
