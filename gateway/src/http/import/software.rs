//! What imports of software have in common: where a new host stands, and how it is told what was done.

use super::{Parameters, parameter};
use crate::state::GatewayState;
use netpatch_inventory_api::SoftwareImported;
use netpatch_types::{OrganizationId, RequestContext, ServiceError, ServiceResult, SiteId};
use serde_json::{Value, json};

/// The site that an address names, else the only one within reach.
pub(super) async fn site_of(
    state: &GatewayState,
    ctx: &RequestContext,
    parameters: &Parameters,
) -> ServiceResult<Option<SiteId>> {
    let not_found = || ServiceError::not_found("site");
    let named = match parameter(parameters, "siteId") {
        None => None,
        Some(id) => {
            let (of, site) = SiteId::parse_public(id).ok_or_else(not_found)?;
            if of != ctx.tenant()? {
                return Err(not_found());
            }
            Some(site)
        }
    };
    let sites = state.apis().auth.site_list(ctx).await?;
    match (named, sites.as_slice()) {
        (Some(site), sites) if sites.iter().any(|one| one.id == site) => Ok(named),
        (Some(_), _) => Err(not_found()),
        (None, [only]) => Ok(Some(only.id)),
        (None, _) => Ok(None),
    }
}

/// What was done, or would be.
pub(super) fn shown(done: &SoftwareImported, of: OrganizationId, dry_run: bool) -> Value {
    let skipped: Vec<Value> = done
        .skipped
        .iter()
        .map(|one| json!({"reason": one.reason.message(), "count": one.count, "examples": one.examples}))
        .collect();
    json!({
        "hostId": done.host.map(|host| host.public(of)),
        "assetId": done.asset.map(|asset| asset.public(of)),
        "isDryRun": dry_run,
        "isNewHost": done.is_new_host,
        "isChanged": done.is_changed,
        "left": Some(&done.left).filter(|why| !why.is_empty()),
        "components": done.components,
        "duplicates": done.duplicates,
        "withoutSource": done.without_source,
        "withoutEpoch": done.without_epoch,
        "skipped": skipped,
        "skippedCount": done.skipped.iter().map(|one| one.count).sum::<u64>(),
        "findingsOpened": done.evaluated.then_some(done.opened),
        "findingsClosed": done.evaluated.then_some(done.closed),
    })
}
