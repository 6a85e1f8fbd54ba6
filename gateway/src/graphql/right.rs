//! The right that each mutation needs. The services check it too; here a request without it does not even take an idempotency key.

use crate::graphql::Result;
use netpatch_types::Permission::{self, *};
use netpatch_types::{RequestContext, ServiceError};

/// Every mutation.
const RIGHTS: [(&str, Permission); 46] = [
    ("organizationCreate", Admin),
    ("siteCreate", Admin),
    ("siteUpdate", Admin),
    ("delegationCreate", Admin),
    ("delegationDecide", Admin),
    ("userCreate", Admin),
    ("apiClientCreate", Admin),
    ("enrolmentTokenCreate", Enrol),
    ("enrolmentTokenRevoke", Enrol),
    ("relayClaim", Enrol),
    ("relayReplace", Enrol),
    ("relayRevoke", Enrol),
    ("hostRevoke", Enrol),
    ("hostUpdate", Admin),
    ("hostScan", Scan),
    ("assetUpsert", AssetWrite),
    ("assetImport", AssetWrite),
    ("assetDelete", AssetWrite),
    ("feedAccept", Admin),
    ("groupCreate", PolicyWrite),
    ("windowCreate", PolicyWrite),
    ("windowUpdate", PolicyWrite),
    ("siteScanScheduleSet", PolicyWrite),
    ("policyCreate", PolicyWrite),
    ("policyUpdate", PolicyWrite),
    ("policyEvaluate", PolicyWrite),
    ("blockListSet", PolicyWrite),
    ("baselineCreate", PolicyWrite),
    ("baselineUpdate", PolicyWrite),
    ("baselineArchive", PolicyWrite),
    ("riskWeightsSet", PolicyWrite),
    ("hardwareRulesSet", PolicyWrite),
    ("exceptionRequest", Deploy),
    ("exceptionEnd", Deploy),
    ("approvalRequest", Deploy),
    ("approvalDecide", Approve),
    ("deploymentCreate", Deploy),
    ("deploymentPause", Stop),
    ("deploymentResume", Resume),
    ("deploymentHalt", Stop),
    ("deploymentCancel", Stop),
    ("complianceSnapshotTake", Report),
    ("reportCreate", Report),
    ("webhookCreate", Report),
    ("webhookDelete", Report),
    ("webhookReplay", Report),
];

/// The right that a mutation needs.
#[must_use]
pub fn of(mutation: &str) -> Option<Permission> {
    RIGHTS
        .iter()
        .find(|(name, _)| *name == mutation)
        .map(|(_, right)| *right)
}

/// An error unless the actor has the mutation's right.
pub(crate) fn require(ctx: &RequestContext, mutation: &str) -> Result<()> {
    match of(mutation) {
        Some(right) => ctx.require(right),
        None => {
            tracing::error!(mutation, "a mutation is not in the table of rights");
            Err(ServiceError::internal())
        }
    }
}
