//! Patches.

use super::{PatchClassification, Severity};
use crate::graphql::connection::int;
use crate::graphql::context::{Session, absent};
use crate::graphql::{DateTime, Result, loaders, session};
use async_graphql::{Context, Enum, ID, Object};
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

    /// Hosts that cannot take it, and why: it is not offered to them. At most 1,000.
    #[graphql(complexity = "20 + 20 * child_complexity")]
    async fn refusals(&self, ctx: &Context<'_>) -> Result<Option<Vec<PatchRefusal>>> {
        let wanted = inventory::PatchRefusals {
            tenant: Some(self.of),
            patch: Some(self.patch.id),
            ..Default::default()
        };
        refusals(session(ctx)?, self.of, wanted).await
    }

    /// The newer patch that hosts offer instead.
    async fn superseded_by(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        match self.patch.superseded_by {
            Some(newer) => loaders(ctx)?.patch(self.of, newer).await,
            None => Ok(None),
        }
    }
}

/// Why a host cannot take a patch.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchRefusalCode {
    /// The host does not say which release of its system it runs.
    ReleaseUnknown,
    /// The patch is of another release than the one that runs.
    OtherRelease,
    /// Nothing on the host is of the package's architecture.
    Architecture,
    /// There is too little space for payload and files.
    DiskTooSmall,
    /// The organization says that it is not for such hardware.
    HardwareRule,
}

/// A patch that a host cannot take; it is not offered there.
#[derive(Clone)]
pub struct PatchRefusal(pub inventory::PatchRefusal);

/// A patch that a host cannot take; it is not offered there.
#[Object]
impl PatchRefusal {
    /// The host.
    async fn host(&self, ctx: &Context<'_>) -> Result<Option<super::Host>> {
        loaders(ctx)?.host(self.0.tenant, self.0.host).await
    }

    /// The patch.
    async fn patch(&self, ctx: &Context<'_>) -> Result<Option<Patch>> {
        loaders(ctx)?.patch(self.0.tenant, self.0.patch).await
    }

    /// Binary package.
    async fn package(&self) -> &str {
        &self.0.package
    }

    /// Its architecture.
    async fn arch(&self) -> &str {
        &self.0.arch
    }

    /// The version that the package manager would install.
    async fn version(&self) -> &str {
        &self.0.version
    }

    /// Why not, for programs.
    async fn code(&self) -> PatchRefusalCode {
        match self.0.why {
            inventory::Incompatibility::ReleaseUnknown => PatchRefusalCode::ReleaseUnknown,
            inventory::Incompatibility::OtherRelease { .. } => PatchRefusalCode::OtherRelease,
            inventory::Incompatibility::Architecture { .. } => PatchRefusalCode::Architecture,
            inventory::Incompatibility::DiskTooSmall { .. } => PatchRefusalCode::DiskTooSmall,
            inventory::Incompatibility::HardwareRule { .. } => PatchRefusalCode::HardwareRule,
        }
    }

    /// Why not, and what to do, for a person.
    async fn reason(&self) -> String {
        match &self.0.why {
            inventory::Incompatibility::ReleaseUnknown => {
                "The host does not say which release it runs; repair its os-release.".to_owned()
            }
            inventory::Incompatibility::OtherRelease { release, running } => format!(
                "It is of the release {release}, the host runs {running}; take that source away, or upgrade the host."
            ),
            inventory::Incompatibility::Architecture { package, host } => format!(
                "It is for {package}, the host is {host} and has nothing of {package} installed."
            ),
            inventory::Incompatibility::HardwareRule { rule, why, found } => {
                format!(
                    "The organization's hardware rule {rule:?} keeps it back here ({found}): {why}."
                )
            }
            inventory::Incompatibility::DiskTooSmall {
                needed_bytes,
                free_bytes,
            } => format!(
                "It needs {} MiB, {} MiB are free; make room.",
                needed_bytes.div_ceil(1 << 20),
                free_bytes >> 20
            ),
        }
    }
}

/// What hosts cannot take.
pub(crate) async fn refusals(
    session: &Session,
    of: OrganizationId,
    wanted: inventory::PatchRefusals,
) -> Result<Option<Vec<PatchRefusal>>> {
    let Some(ctx) = absent(session.inside(of))? else {
        return Ok(None);
    };
    let found = session.apis.inventory.patch_refusals(&ctx, wanted).await?;
    Ok(Some(found.into_iter().map(PatchRefusal).collect()))
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
