//! What dnf downloads, and the transaction of the staged files.

use super::Dnf;
use super::plan::{Item, Items};
use crate::provider::PlanError;
use crate::provider::rpm::stage::{Downloads, Fetched, Wish, compare_simulation};
use async_trait::async_trait;
use netpatch_agent_core::Failure;
use netpatch_agent_core::plan::Plan;
use serde_json::json;
use std::path::Path;

#[async_trait]
impl Downloads for Dnf {
    fn cache(&self) -> &'static str {
        "/var/cache/dnf"
    }

    async fn download(
        &self,
        wishes: &[Wish],
        folder: &Path,
        proxy: Option<&str>,
    ) -> Result<Fetched, Failure> {
        let job = json!({"wanted": wishes, "folder": self.inside(folder), "proxy": proxy});
        self.fetch_with("fetch", job).await
    }
}

impl Dnf {
    /// The transaction as it will run, without running it.
    pub(super) async fn simulate_from_files(
        &self,
        plan: &Plan,
        folder: &Path,
    ) -> Result<(), PlanError> {
        if plan.items.is_empty() {
            return Ok(());
        }
        let job = json!({"files": self.rpm.staged_files(plan, folder)});
        let answer: Items = self.ask_solver("from_files", job).await?;
        compare_simulation(plan, &answer.items.iter().map(Item::outline).collect())
    }
}
