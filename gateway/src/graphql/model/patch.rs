//! Patches.

use super::{PatchClassification, Severity};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders};
use async_graphql::{Context, ID, Object};
use netpatch_inventory_api as inventory;
use netpatch_types::{OrganizationId, PatchId};

/// An installable fix: a source package at a version for a release, as one organization sees it.
#[derive(Clone)]
pub struct Patch {
    /// Who sees it so.
    pub of: OrganizationId,
    /// The patch.
    pub patch: inventory::Patch,
}

/// An installable fix: a source package at a version for a release, as one organization sees it.
#[Object]
impl Patch {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.patch.id.public().into()
    }

    /// Source package.
    async fn name(&self) -> &str {
        &self.patch.name
    }

    /// For which release.
    async fn release(&self) -> &str {
        &self.patch.release
    }

    /// Source version that fixes.
    async fn fixed_version(&self) -> &str {
        &self.patch.fixed_version
    }

    /// Kind of change.
    async fn classification(&self) -> PatchClassification {
        self.patch.classification.into()
    }

    /// Worst severity of what it fixes.
    async fn severity(&self) -> Severity {
        self.patch.severity.into()
    }

    /// Names of the advisories that it fixes, worst first.
    async fn advisory_names(&self) -> &[String] {
        &self.patch.advisories
    }

    /// Highest CVSS base score.
    async fn cvss_score(&self) -> Option<f64> {
        self.patch.cvss_score
    }

    /// Highest EPSS.
    async fn epss(&self) -> Option<f64> {
        self.patch.epss
    }

    /// Whether any of them is known to be exploited.
    async fn is_known_exploited(&self) -> bool {
        self.patch.kev
    }

    /// Label of the repository that offers it.
    async fn origin_label(&self) -> &str {
        &self.patch.origin_label
    }

    /// When a host first offered it.
    async fn first_seen_at(&self) -> DateTime {
        self.patch.first_seen_at.into()
    }

    /// Hosts of the organization that could install it now.
    async fn host_count(&self) -> i32 {
        int(self.patch.hosts)
    }

    /// The newer patch that hosts offer instead.
    async fn superseded_by(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        match self.patch.superseded_by {
            Some(newer) => loaders(ctx)?.patch(self.of, newer).await,
            None => Ok(None),
        }
    }
}

/// One patch, as the first of the caller's organizations that knows it sees it.
pub(crate) async fn find_anywhere(session: &Session, id: PatchId) -> Result<Option<Patch>> {
    for access in session.principal()?.access.iter().take(100) {
        if !access
            .permissions
            .contains(&netpatch_types::Permission::Read)
        {
            continue;
        }
        let ctx = session.inside(access.organization)?;
        if let Some(patch) = absent(
            session
                .apis
                .inventory
                .patch_get(&ctx, inventory::PatchGet { id })
                .await,
        )? {
            return Ok(Some(Patch {
                of: access.organization,
                patch,
            }));
        }
    }
    Ok(None)
}
