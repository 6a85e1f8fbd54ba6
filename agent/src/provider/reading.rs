//! Package managers that are only read so far: what is installed is known, and nothing is ever changed.
//!
//! An operating system needs an installer, because the run engine asks one. This one answers every other question with
//! the same sentence, so that the platform shows it instead of an empty list of updates.

use super::{
    Installable, Installer, Inventory, PlanError, Provider, StageOutcome, Step, Verification,
};
use async_trait::async_trait;
use netpatch_agent_core::decide::Transaction;
use netpatch_agent_core::journal::ProcessRecord;
use netpatch_agent_core::plan::{ContentItem, Plan, Wanted};
use netpatch_agent_core::{Failure, FailureCause};
use netpatch_types::{Ecosystem, Sha256};
use std::path::Path;
use std::sync::Arc;

/// An installer that installs nothing.
pub(crate) struct Reading {
    provider: Arc<dyn Provider>,
    ecosystem: Ecosystem,
}

impl Reading {
    /// Of a provider.
    pub(crate) fn new(provider: Arc<dyn Provider>, ecosystem: Ecosystem) -> Self {
        Self {
            provider,
            ecosystem,
        }
    }

    fn refusal(&self) -> Failure {
        let line = format!(
            "this agent reads what {} installed; it cannot say what could be, nor install it",
            self.provider.name()
        );
        Failure::new(FailureCause::Incompatible, [line])
    }
}

#[async_trait]
impl Provider for Reading {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    async fn detect(&self) -> bool {
        self.provider.detect().await
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        self.provider.inventory().await
    }

    fn databases(&self) -> &'static [&'static str] {
        self.provider.databases()
    }
}

#[async_trait]
impl Installer for Reading {
    fn ecosystem(&self) -> Ecosystem {
        self.ecosystem
    }

    /// The kernel's word, which these package managers use too.
    async fn arch(&self) -> Result<String, Failure> {
        Ok(std::env::consts::ARCH.to_owned())
    }

    async fn repositories(&self) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    async fn refresh(&self, _proxy: Option<&str>) -> Result<(), Failure> {
        Ok(())
    }

    async fn installable(&self) -> Result<Vec<Installable>, Failure> {
        Err(self.refusal())
    }

    async fn plan(&self, _wanted: &[Wanted]) -> Result<Plan, PlanError> {
        Err(self.refusal().into())
    }

    async fn stage(
        &self,
        _plan: &Plan,
        _folder: &Path,
        _proxy: Option<&str>,
    ) -> Result<StageOutcome, PlanError> {
        Err(self.refusal().into())
    }

    async fn snapshot(&self, _plan: &Plan, _folder: &Path) -> Result<Sha256, Failure> {
        Err(self.refusal())
    }

    async fn start_install(&self, _plan: &Plan, _folder: &Path) -> Result<ProcessRecord, Failure> {
        Err(self.refusal())
    }

    async fn start_rollback(
        &self,
        _folder: &Path,
        _attempt: usize,
    ) -> Result<ProcessRecord, Failure> {
        Err(self.refusal())
    }

    async fn transaction(&self, _folder: &Path, _step: Step) -> Result<Transaction, Failure> {
        Ok(Transaction::NotStarted)
    }

    async fn mend(&self, _folder: &Path) -> Result<(), Failure> {
        Ok(())
    }

    async fn verify(
        &self,
        _plan: &Plan,
        _content: &[ContentItem],
        _folder: &Path,
    ) -> Result<Verification, Failure> {
        Err(self.refusal())
    }

    async fn compare(&self, _folder: &Path) -> Result<Vec<String>, Failure> {
        Err(self.refusal())
    }

    async fn diagnose(&self, _folder: &Path, _step: Step, _exit_code: i32) -> Failure {
        self.refusal()
    }
}
