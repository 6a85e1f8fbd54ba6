//! `reportCreate`.

use super::{answer, payload};
use crate::graphql::context::{organization_id, same_organization};
use crate::graphql::model::{Report, ReportKind};
use crate::graphql::once::{Once, first, once};
use crate::graphql::{Result, session};
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_reporting_api as reporting;
use netpatch_types::{DeploymentId, OrganizationId, ServiceError};

/// A new report.
#[derive(Clone, InputObject)]
pub struct ReportCreateInput {
    /// Whose.
    organization_id: ID,
    /// What it contains.
    kind: ReportKind,
    /// Of which deployment; for `EVIDENCE_PACK` and `RUNS_CSV`.
    deployment_id: Option<ID>,
    /// Guard cells that a spreadsheet would run as a formula; changes data.
    #[graphql(default_with = "Some(false)")]
    guard_formulas: Option<bool>,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `reportCreate`.
    ReportCreatePayload {
        /// The report.
        report: Report,
    }
}

/// Reports.
#[derive(Default)]
pub struct ReportMutation;

#[Object]
impl ReportMutation {
    /// Makes a report or an evidence pack.
    #[graphql(complexity = "50 + child_complexity")]
    async fn report_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: ReportCreateInput,
    ) -> Result<ReportCreatePayload> {
        answer(create(ctx, input).await)
    }
}

fn kind(input: &ReportCreateInput, of: OrganizationId) -> Result<reporting::ReportKind> {
    let deployment = || {
        let id = input.deployment_id.as_ref().ok_or_else(|| {
            ServiceError::invalid("deploymentId", "this report is of a deployment: name it")
        })?;
        same_organization::<DeploymentId>(
            id,
            of,
            DeploymentId::PREFIX,
            "deploymentId",
            "deployment",
        )
    };
    Ok(match input.kind {
        ReportKind::EvidencePack => reporting::ReportKind::EvidencePack {
            deployment: deployment()?,
        },
        ReportKind::FindingsCsv => reporting::ReportKind::FindingsCsv {
            guard_formulas: input.guard_formulas.unwrap_or(false),
        },
        ReportKind::RunsCsv => reporting::ReportKind::RunsCsv {
            deployment: deployment()?,
            guard_formulas: input.guard_formulas.unwrap_or(false),
        },
    })
}

async fn create(ctx: &Context<'_>, input: ReportCreateInput) -> Result<ReportCreatePayload> {
    let session = session(ctx)?;
    let of = organization_id(&input.organization_id)?;
    let request = session.inside(of)?;
    let work = session.apis.reporting.report_create(
        &request,
        reporting::ReportCreate {
            kind: kind(&input, of)?,
        },
    );
    let made = once(
        session,
        &request,
        "reportCreate",
        &input.idempotency_key,
        &input,
        work,
        |made| vec![made.id.0],
    )
    .await?;
    let report = match made {
        Once::Done(report) => report,
        Once::Before(ids) => {
            session
                .apis
                .reporting
                .report_get(&request, reporting::ReportGet { id: first(&ids)? })
                .await?
        }
    };
    Ok(ReportCreatePayload {
        report: Some(Report(report)),
        ..Default::default()
    })
}
