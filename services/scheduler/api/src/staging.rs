//! What relays are to fetch ahead.

use chrono::{DateTime, Utc};
use netpatch_types::{DeploymentId, Sha256, SiteId};
use serde::{Deserialize, Serialize};

/// Most payloads of a plan.
pub const MAX_STAGED: usize = 5_000;

/// What the relays of a site are to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingPlanGet {
    /// Which site.
    pub site: SiteId,
}

/// What the relays of a site are to hold for the waves of approved deployments that are not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingPlan {
    /// First needed first; each payload once, for the first wave that needs it.
    pub payloads: Vec<StagedPayload>,
}

/// A payload that hosts of the site will need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedPayload {
    /// Names its bytes: those that were approved.
    pub sha256: Sha256,
    /// How many.
    pub size_bytes: u64,
    /// Where hosts say it lies.
    pub urls: Vec<String>,
    /// For which deployment.
    pub deployment: DeploymentId,
    /// For which of its waves.
    pub wave: u32,
    /// When hosts may install it at the earliest; `None`: no window opens before the deployment ends.
    pub needed_at: Option<DateTime<Utc>>,
}

/// Most payloads that are asked about at once.
pub const MAX_PAYLOADS_NEEDED: usize = 5_000;

/// Payloads of which some may still be needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadsNeeded {
    /// At most [`MAX_PAYLOADS_NEEDED`].
    pub payloads: Vec<Sha256>,
}
