//! Which updates an organization keeps from which hardware.

use super::{Actor, PatchClassification};
use crate::graphql::connection::int;
use crate::graphql::{DateTime, Result};
use async_graphql::{InputObject, SimpleObject};
use netpatch_inventory_api as inventory;
use netpatch_types::ServiceError;

/// An update that is not for hosts with some hardware.
#[derive(Clone, SimpleObject)]
pub struct HardwareRule {
    /// Unique in the organization.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Binary or source packages, patterns; with `classifications`: any of them.
    pub packages: Vec<String>,
    /// What the updates are.
    pub classifications: Vec<PatchClassification>,
    /// Hosts of any of these architectures; empty: of any.
    pub architectures: Vec<String>,
    /// Built by any of these, patterns; empty: by anybody.
    pub vendors: Vec<String>,
    /// Any of these models, patterns; empty: any.
    pub models: Vec<String>,
    /// With fewer logical processors; null: with any number.
    pub cpus_below: Option<i32>,
    /// With less memory, MiB; null: with any.
    pub memory_below_mib: Option<i32>,
    /// With smaller disks together, MiB; null: with any.
    pub disk_below_mib: Option<i32>,
}

/// The hardware rules of an organization.
#[derive(Clone, SimpleObject)]
pub struct HardwareRules {
    /// Changes with each change; `ifMatch` of a change.
    pub etag: String,
    /// In order; the first that holds is told.
    pub rules: Vec<HardwareRule>,
    /// When they changed last; null: nobody has written any.
    pub changed_at: Option<DateTime>,
    /// By whom.
    pub changed_by: Option<Actor>,
}

impl From<inventory::HardwareRulesHeld> for HardwareRules {
    fn from(held: inventory::HardwareRulesHeld) -> Self {
        Self {
            etag: held.version.to_string(),
            rules: held.rules.into_iter().map(shown).collect(),
            changed_at: held.changed_at.map(DateTime),
            changed_by: held.changed_by.as_ref().map(Into::into),
        }
    }
}

fn shown(rule: inventory::HardwareRule) -> HardwareRule {
    let classifications = rule.updates.classifications;
    HardwareRule {
        name: rule.name,
        reason: rule.reason,
        packages: rule.updates.packages,
        classifications: classifications.into_iter().map(Into::into).collect(),
        architectures: rule.not_for.architectures,
        vendors: rule.not_for.vendors,
        models: rule.not_for.models,
        cpus_below: rule.not_for.cpus_below.map(int),
        memory_below_mib: rule
            .not_for
            .memory_below_bytes
            .map(|bytes| int(bytes >> 20)),
        disk_below_mib: rule.not_for.disk_below_bytes.map(|bytes| int(bytes >> 20)),
    }
}

/// An update that is not for hosts with some hardware: it names packages or classifications, and at least one fact of the hosts.
#[derive(Clone, InputObject)]
pub struct HardwareRuleInput {
    /// Unique in the organization, 1 to 80 characters.
    name: String,
    /// Why, 3 to 500 characters; shown where an update is kept back.
    reason: String,
    /// Binary or source packages: `*` is any run of characters, `?` one.
    packages: Option<Vec<String>>,
    /// `FIRMWARE` or `FEATURE`; drivers are named by package.
    classifications: Option<Vec<PatchClassification>>,
    /// Hosts of any of these architectures.
    architectures: Option<Vec<String>>,
    /// Built by any of these, patterns in any case.
    vendors: Option<Vec<String>>,
    /// Any of these models, patterns in any case.
    models: Option<Vec<String>>,
    /// With fewer logical processors.
    cpus_below: Option<i32>,
    /// With less memory, MiB.
    memory_below_mib: Option<i32>,
    /// With smaller disks together, MiB.
    disk_below_mib: Option<i32>,
}

fn mebibytes(field: &str, count: Option<i32>) -> Result<Option<u64>> {
    count
        .map(|count| u64::try_from(count).map(|count| count << 20))
        .transpose()
        .map_err(|_| ServiceError::invalid(field, "a number from 0 on"))
}

/// Reads rules.
pub(crate) fn read_rules(rules: Vec<HardwareRuleInput>) -> Result<Vec<inventory::HardwareRule>> {
    let read = |rule: HardwareRuleInput| {
        let cpus_below = rule
            .cpus_below
            .map(u32::try_from)
            .transpose()
            .map_err(|_| ServiceError::invalid("cpusBelow", "a number from 0 on"))?;
        let classifications = rule.classifications.unwrap_or_default();
        Ok(inventory::HardwareRule {
            name: rule.name,
            reason: rule.reason,
            updates: inventory::UpdateScope {
                packages: rule.packages.unwrap_or_default(),
                classifications: classifications.into_iter().map(Into::into).collect(),
            },
            not_for: inventory::HardwareScope {
                architectures: rule.architectures.unwrap_or_default(),
                vendors: rule.vendors.unwrap_or_default(),
                models: rule.models.unwrap_or_default(),
                cpus_below,
                memory_below_bytes: mebibytes("memoryBelowMib", rule.memory_below_mib)?,
                disk_below_bytes: mebibytes("diskBelowMib", rule.disk_below_mib)?,
            },
        })
    };
    rules.into_iter().map(read).collect()
}
