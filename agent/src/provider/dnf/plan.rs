//! The plan of a transaction: dnf's own answer to "upgrade to exactly these versions, or say why not".

use super::Dnf;
use crate::provider::PlanError;
use crate::provider::rpm::database::file_name;
use crate::provider::rpm::stage::Outline;
use netpatch_agent_core::plan::{Change, Plan, PlanItem, Wanted};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::Sha256;
use serde::Deserialize;
use serde_json::json;

/// One change of the solver's answer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Item {
    name: String,
    arch: String,
    version: Option<String>,
    before: Option<String>,
    #[serde(default)]
    sha256: String,
    #[serde(default)]
    size: u64,
}

/// The solver's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Items {
    pub(super) items: Vec<Item>,
}

impl Item {
    /// In the agent's words. Only SHA-256 counts as a hash.
    pub(super) fn planned(&self) -> Result<PlanItem, Failure> {
        let Some(version) = &self.version else {
            return Ok(PlanItem {
                name: self.name.clone(),
                arch: self.arch.clone(),
                change: Change::Remove,
                before: self.before.clone(),
                version: None,
                sha256: None,
                size_bytes: 0,
                file_name: String::new(),
            });
        };
        let sha256: Sha256 = self.sha256.parse().map_err(|_| {
            let line = format!(
                "the index names no SHA-256 of {}.{} {version}",
                self.name, self.arch
            );
            Failure::new(FailureCause::SignatureInvalid, [line])
        })?;
        Ok(PlanItem {
            name: self.name.clone(),
            arch: self.arch.clone(),
            change: if self.before.is_some() {
                Change::Upgrade
            } else {
                Change::Install
            },
            before: self.before.clone(),
            version: Some(version.clone()),
            sha256: Some(sha256),
            size_bytes: self.size,
            file_name: file_name(&self.name, version, &self.arch),
        })
    }

    /// What happens, without hash and size.
    pub(super) fn outline(&self) -> Outline {
        (
            self.name.clone(),
            self.arch.clone(),
            self.before.clone(),
            self.version.clone(),
        )
    }
}

impl Dnf {
    pub(super) async fn make_plan(&self, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        if wanted.is_empty() {
            return Ok(Plan::default());
        }
        let answer: Items = self.ask_solver("plan", json!({"wanted": wanted})).await?;
        let items: Result<Vec<PlanItem>, Failure> =
            answer.items.iter().map(Item::planned).collect();
        Ok(Plan::new(items?))
    }
}
