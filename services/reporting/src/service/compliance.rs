//! Compliance snapshots: what inventory counts, kept.

use super::ReportingService;
use crate::store::compliance as store;
use netpatch_inventory_api::{ComplianceCell, ComplianceNow};
use netpatch_reporting_api::{ComplianceGet, ComplianceHistory, ComplianceSnapshot, SnapshotTake};
use netpatch_types::{
    ComplianceSnapshotId, Page, RequestContext, ServiceError, ServiceResult, TenantId,
};

/// Labels that a caller may give.
const LABELS: [&str; 4] = ["schedule", "before", "after", "manual"];

impl ReportingService {
    pub(super) async fn snapshot_at(
        &self,
        ctx: &RequestContext,
        request: ComplianceGet,
    ) -> ServiceResult<ComplianceSnapshot> {
        let tx = self.database.read(ctx).await?;
        if let Some(found) = store::newest(&tx, request.tenant, request.as_of).await? {
            return Ok(of_sites(ctx, found));
        }
        tx.rollback().await?;
        let cells = self
            .inventory
            .compliance_now(
                ctx,
                ComplianceNow {
                    tenant: Some(request.tenant),
                },
            )
            .await?;
        let now = self.clock.now();
        let provisional = ComplianceSnapshot {
            id: ComplianceSnapshotId::new(now),
            tenant: request.tenant,
            as_of: now,
            provisional: true,
            label: "manual".to_owned(),
            deployment: None,
            cells,
        };
        Ok(of_sites(ctx, provisional))
    }

    pub(super) async fn snapshots(
        &self,
        ctx: &RequestContext,
        request: ComplianceHistory,
    ) -> ServiceResult<Page<ComplianceSnapshot>> {
        let tx = self.database.read(ctx).await?;
        Ok(store::history(&tx, &request)
            .await?
            .map(|snapshot| of_sites(ctx, snapshot)))
    }

    /// Counts now and keeps it.
    pub(crate) async fn take_snapshot(
        &self,
        tenant: TenantId,
        request: &SnapshotTake,
    ) -> ServiceResult<ComplianceSnapshot> {
        if !LABELS.contains(&request.label.as_str()) {
            return Err(ServiceError::invalid(
                "label",
                format!("a label is one of {}", LABELS.join(", ")),
            ));
        }
        let cells = self.count_now(tenant).await?;
        let tx = self.database.write(&self.system(tenant)).await?;
        let new = store::NewSnapshot {
            label: &request.label,
            deployment: request.deployment,
            cells: &cells,
        };
        let kept = store::insert(&tx, &new, self.clock.now()).await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// What inventory counts now.
    pub(crate) async fn count_now(&self, tenant: TenantId) -> ServiceResult<Vec<ComplianceCell>> {
        self.inventory
            .compliance_now(
                &self.system(tenant),
                ComplianceNow {
                    tenant: Some(tenant),
                },
            )
            .await
    }
}

/// A grant over some sites sees the cells of those.
fn of_sites(ctx: &RequestContext, mut snapshot: ComplianceSnapshot) -> ComplianceSnapshot {
    if let Some(sites) = &ctx.sites {
        snapshot.cells.retain(|cell| sites.contains(&cell.site));
    }
    snapshot
}
