//! By which ways the hosts of a site may go.
//!
//! Identity keeps a site's settings; what of them its hosts must know comes here, for it reaches them in their membership document, which
//! no relay can forge.

use netpatch_types::SiteId;
use serde::{Deserialize, Serialize};

/// Whether the hosts of a site may go past its relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteWay {
    /// Which site.
    pub site: SiteId,
    /// Whether they may, with their sessions and for their packages.
    pub direct_allowed: bool,
}
