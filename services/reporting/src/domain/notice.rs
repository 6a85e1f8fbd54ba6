//! Which events people's programs are told about, as thin events: a type and ids, the rest is read by API.

use chrono::{DateTime, SecondsFormat, Utc};
use netpatch_inventory_api::InventoryEventV1;
use netpatch_policy_api::PolicyEventV1;
use netpatch_scheduler_api::{DeploymentStatus, RunStatus, SchedulerEventV1};
use netpatch_types::{AssetId, HostId, TenantId};
use serde_json::{Value, json};

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// One of `WEBHOOK_EVENTS`.
    pub event: &'static str,
    /// Public ids.
    pub data: Value,
}

impl Notice {
    /// The body of a delivery (<https://github.com/standard-webhooks/standard-webhooks>, thin payload).
    #[must_use]
    pub(crate) fn body(&self, at: DateTime<Utc>) -> String {
        let timestamp = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        json!({"type": self.event, "timestamp": timestamp, "data": self.data}).to_string()
    }
}

/// What to tell of an event of policy.
#[must_use]
pub(crate) fn of_policy(tenant: TenantId, event: &PolicyEventV1) -> Option<Notice> {
    match event {
        PolicyEventV1::ApprovalRequested { approval, .. } => Some(Notice {
            event: "approval.requested",
            data: json!({"organization": tenant.public(tenant), "approval": approval.public(tenant)}),
        }),
        _ => None,
    }
}

/// What to tell of an event of the scheduler.
#[must_use]
pub(crate) fn of_scheduler(tenant: TenantId, event: &SchedulerEventV1) -> Option<Notice> {
    match event {
        SchedulerEventV1::DeploymentChanged {
            deployment,
            status: DeploymentStatus::Halted,
            ..
        } => Some(Notice {
            event: "deployment.wave.halted",
            data: json!({"organization": tenant.public(tenant), "deployment": deployment.public(tenant)}),
        }),
        SchedulerEventV1::RunEnded {
            deployment,
            run,
            host,
            status,
            cause,
            ..
        } if matches!(
            status,
            RunStatus::Failed | RunStatus::RolledBack | RunStatus::RollbackFailed
        ) =>
        {
            Some(Notice {
                event: "deployment.run.failed",
                data: json!({
                    "organization": tenant.public(tenant),
                    "deployment": deployment.public(tenant),
                    "run": run.public(tenant),
                    "host": host.public(tenant),
                    "status": status.as_str(),
                    "cause": cause,
                }),
            })
        }
        _ => None,
    }
}

/// What to tell of an event of inventory.
#[must_use]
pub(crate) fn of_inventory(tenant: TenantId, event: &InventoryEventV1) -> Option<Notice> {
    match event {
        InventoryEventV1::CriticalFinding {
            finding,
            host,
            advisory,
        } => Some(Notice {
            event: "finding.critical",
            data: json!({
                "organization": tenant.public(tenant),
                "finding": finding.public(tenant),
                "host": host.public(tenant),
                "advisory": advisory,
            }),
        }),
        InventoryEventV1::AssetChanged { asset, host, .. } => {
            Some(about_asset("asset.changed", tenant, *asset, *host))
        }
        InventoryEventV1::AssetLinked { asset, host, .. } => {
            Some(about_asset("asset.linked", tenant, *asset, Some(*host)))
        }
        InventoryEventV1::AssetDeleted { asset, host, .. } => {
            Some(about_asset("asset.deleted", tenant, *asset, *host))
        }
        InventoryEventV1::AssetsImported {
            created,
            changed,
            unchanged,
            ..
        } => Some(Notice {
            event: "asset.imported",
            data: json!({
                "organization": tenant.public(tenant),
                "created": created,
                "changed": changed,
                "unchanged": unchanged,
            }),
        }),
        _ => None,
    }
}

fn about_asset(
    event: &'static str,
    tenant: TenantId,
    asset: AssetId,
    host: Option<HostId>,
) -> Notice {
    Notice {
        event,
        data: json!({
            "organization": tenant.public(tenant),
            "asset": asset.public(tenant),
            "host": host.map(|host| host.public(tenant)),
        }),
    }
}
