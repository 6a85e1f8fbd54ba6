//! SUSE's zypper: what is installed, from the rpm database.

use super::rpm::{DATABASES, Rpm};
use super::{Inventory, Provider};
use crate::command::Runner;
use async_trait::async_trait;
use netpatch_agent_core::Failure;

/// A host with zypper.
#[derive(Clone, Debug)]
pub struct Zypper {
    runner: Runner,
    rpm: Rpm,
}

impl Zypper {
    /// A host reached through the runner.
    #[must_use]
    pub fn new(runner: Runner) -> Self {
        let rpm = Rpm::new(runner.clone());
        Self { runner, rpm }
    }
}

#[async_trait]
impl Provider for Zypper {
    fn name(&self) -> &'static str {
        "zypper"
    }

    /// A host with dnf and zypper has one rpm database: dnf answers for it.
    async fn detect(&self) -> bool {
        self.rpm.detect()
            && self.runner.outside("/usr/bin/zypper").exists()
            && !self.runner.outside("/usr/bin/dnf").exists()
    }

    async fn inventory(&self) -> Result<Inventory, Failure> {
        self.rpm.inventory().await
    }

    fn databases(&self) -> &'static [&'static str] {
        &DATABASES
    }
}
