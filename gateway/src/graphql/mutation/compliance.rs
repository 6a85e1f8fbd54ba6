//! `complianceSnapshotTake`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization};
use crate::graphql::model::ComplianceSnapshot;
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_reporting_api as reporting;
use netpatch_types::{ComplianceSnapshotId, DeploymentId, ServiceError};

/// Takes a snapshot now.
#[derive(Clone, InputObject)]
pub struct ComplianceSnapshotTakeInput {
    /// Whose.
    organization_id: ID,
    /// Why: `manual`, `before`, `after`.
    #[graphql(default_with = "Some(\"manual\".to_owned())")]
    label: Option<String>,
    /// Around which deployment.
    deployment_id: Option<ID>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `complianceSnapshotTake`.
    ComplianceSnapshotTakePayload {
        /// The snapshot.
        snapshot: ComplianceSnapshot,
    }
}

/// Compliance snapshots.
#[derive(Default)]
pub struct ComplianceMutation;

#[Object]
impl ComplianceMutation {
    /// Keeps the counters as they are now.
    #[graphql(complexity = "10 + child_complexity")]
    async fn compliance_snapshot_take(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ComplianceSnapshotTakeInput,
    ) -> Result<ComplianceSnapshotTakePayload> {
        answer(take(ctx, input).await)
    }
}

async fn take(
    ctx: &Context<'_>,
    input: ComplianceSnapshotTakeInput,
) -> Result<ComplianceSnapshotTakePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let deployment = |id: &ID| {
        same_organization::<DeploymentId>(
            id,
            of,
            DeploymentId::PREFIX,
            "deploymentId",
            "deployment",
        )
    };
    let take = reporting::SnapshotTake {
        label: input.label.clone().unwrap_or_else(|| "manual".to_owned()),
        deployment: input.deployment_id.as_ref().map(deployment).transpose()?,
    };
    let work = session.apis.reporting.compliance_snapshot(&request, take);
    let made = once(
        session,
        &request,
        "complianceSnapshotTake",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let snapshot = match made {
        Once::Done(snapshot) => ComplianceSnapshot(snapshot),
        Once::Before(ids) => {
            let id: ComplianceSnapshotId = first(&ids)?;
            let found = crate::graphql::model::compliance::find(session, of, id).await?;
            found.ok_or_else(|| ServiceError::not_found("snapshot"))?
        }
    };
    Ok(ComplianceSnapshotTakePayload {
        snapshot: Some(snapshot),
        ..Default::default()
    })
}
