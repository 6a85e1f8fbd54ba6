//! The steps that touch the host. Each may be repeated after a crash.

use super::engine::{Advance, Engine, EngineFault, was_restarted};
use crate::payload::PayloadOrigin;
use crate::provider::PlanError;
use crate::state::journal::Journal;
use netpatch_agent_core::journal::{Purpose, Record};
use netpatch_agent_core::order::Order;
use netpatch_agent_core::plan::{check_block_list, compare_plan, wanted};
use netpatch_agent_core::{Failure, FailureCause, Input, Refused, Retry};
use netpatch_types::Clock as _;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A held lock is looked at again after this.
const LOCKED: Duration = Duration::from_secs(10);

/// Where the site forbids the direct way and its relay is lost, it is asked again after this.
const RELAY: Duration = Duration::from_secs(15);

impl Engine {
    pub(super) async fn stage(
        &self,
        journal: &mut Journal,
        order: &Order,
    ) -> Result<Advance, EngineFault> {
        match self.try_stage(journal, order).await? {
            Ok(()) => self.apply(
                journal,
                Input::Staged,
                "every payload is here and checked".into(),
                Vec::new(),
            )?,
            Err(PlanError::Refused(refused)) => self.refuse(journal, refused)?,
            // That is no try: it goes on as long as the order lasts.
            Err(PlanError::Failed(failure))
                if failure.cause.retry() == Retry::Later && self.payloads.waits_for_relay() =>
            {
                return Ok(Advance::Wait {
                    until: Some(self.clock.now() + RELAY),
                    reason: format!("the site's relay is waited for: {failure}"),
                });
            }
            Err(PlanError::Failed(failure)) if failure.cause.retry() == Retry::Later => {
                let Some(pause) = self.may_try_again(journal) else {
                    self.fail(journal, failure)?;
                    return Ok(Advance::Moved);
                };
                tracing::warn!(%failure, "staging failed and is tried again");
                return Ok(Advance::Wait {
                    until: Some(self.clock.now() + pause),
                    reason: failure.to_string(),
                });
            }
            Err(PlanError::Failed(failure)) => self.fail(journal, failure)?,
        }
        Ok(Advance::Moved)
    }

    async fn try_stage(
        &self,
        journal: &mut Journal,
        order: &Order,
    ) -> Result<Result<(), PlanError>, EngineFault> {
        let origin = match self.provider.repositories().await {
            Ok(repositories) => PayloadOrigin::open(Arc::clone(&self.payloads), repositories).await,
            Err(failure) => return Ok(Err(failure.into())),
        };
        let origin = match origin {
            Ok(origin) => origin,
            Err(error) => {
                let line = format!("cannot open a port on the loopback: {error}");
                return Ok(Err(
                    Failure::new(FailureCause::NetworkUnreachable, [line]).into()
                ));
            }
        };
        let proxy = origin.url();
        if let Err(failure) = self.provider.refresh(Some(&proxy)).await {
            // What was fetched before may do.
            tracing::warn!(%failure, "cannot refresh the indices");
        }
        let plan = match self.plan(order).await {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error)),
        };
        self.write(journal, Record::Planned { plan: plan.clone() })?;
        origin.expect(&plan);
        let staged = match self
            .provider
            .stage(&plan, journal.folder(), Some(&proxy))
            .await
        {
            Ok(staged) => staged,
            Err(error) => return Ok(Err(error)),
        };
        let (bytes_from_relay, bytes_from_origin) = origin.bytes();
        self.write(
            journal,
            Record::Staged {
                rollback_possible: staged.without_way_back.is_empty(),
                without_way_back: staged.without_way_back,
                bytes_from_relay,
                bytes_from_origin,
            },
        )?;
        Ok(Ok(()))
    }

    /// The package manager's plan, compared with what was approved.
    async fn plan(&self, order: &Order) -> Result<netpatch_agent_core::plan::Plan, PlanError> {
        let inventory = self.provider.inventory().await?;
        let installed: BTreeMap<(&str, &str), &str> = inventory
            .components
            .iter()
            .map(|component| {
                (
                    (component.name.as_str(), component.arch.as_str()),
                    component.version.as_str(),
                )
            })
            .collect();
        let ecosystem = self.provider.ecosystem();
        let wanted = wanted(ecosystem, &order.content, |name, arch| {
            installed.get(&(name, arch)).copied()
        })?;
        let plan = self.provider.plan(&wanted).await?;
        compare_plan(&plan, &order.content)?;
        let documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(membership) = documents.membership() {
            check_block_list(&plan, &membership.blocked_packages)?;
        }
        Ok(plan)
    }

    pub(super) async fn snapshot(&self, journal: &mut Journal) -> Result<Advance, EngineFault> {
        let plan = journal.run().plan.clone().unwrap_or_default();
        match self.provider.snapshot(&plan, journal.folder()).await {
            Ok(sha256) => {
                self.write(journal, Record::Snapshot { sha256 })?;
                Ok(Advance::Moved)
            }
            Err(failure) if failure.cause == FailureCause::PackageManagerLocked => {
                let until = Some(self.clock.now() + LOCKED);
                Ok(Advance::Wait {
                    until,
                    reason: failure.to_string(),
                })
            }
            Err(failure) => {
                self.fail(journal, failure)?;
                Ok(Advance::Moved)
            }
        }
    }

    pub(super) async fn start_install(&self, journal: &mut Journal) -> Result<(), EngineFault> {
        let plan = journal.run().plan.clone().unwrap_or_default();
        match self.provider.start_install(&plan, journal.folder()).await {
            Ok(process) => self.write(journal, Record::Process(process)),
            Err(failure) => self.fail(journal, failure),
        }
    }

    pub(super) async fn verify(
        &self,
        journal: &mut Journal,
        order: &Order,
        mend: bool,
    ) -> Result<Advance, EngineFault> {
        if mend && let Err(failure) = self.provider.mend(journal.folder()).await {
            self.fail(journal, failure)?;
            return Ok(Advance::Moved);
        }
        let plan = journal.run().plan.clone().unwrap_or_default();
        match self
            .provider
            .verify(&plan, &order.content, journal.folder())
            .await
        {
            Err(failure) => self.fail(journal, failure)?,
            Ok(verification) => match verification.failure {
                Some(failure) => self.fail(journal, failure)?,
                None if verification.in_use.is_empty() => {
                    self.apply(
                        journal,
                        Input::Verified,
                        "the host is as ordered".into(),
                        verification.notes,
                    )?;
                }
                // Restarted since: what is in use again is of another change.
                None if order.times.await_reboot && !was_restarted(journal.run()) => {
                    let message = "replaced files are in use".into();
                    let evidence = [verification.in_use, verification.notes].concat();
                    self.apply(journal, Input::RebootNeeded, message, evidence)?;
                }
                None => {
                    let message =
                        "the host is as ordered; replaced files are in use until a restart".into();
                    let evidence = [verification.in_use, verification.notes].concat();
                    self.apply(journal, Input::Verified, message, evidence)?;
                }
            },
        }
        Ok(Advance::Moved)
    }

    pub(super) async fn start_rollback(
        &self,
        journal: &mut Journal,
        mend: bool,
    ) -> Result<(), EngineFault> {
        if mend && let Err(failure) = self.provider.mend(journal.folder()).await {
            tracing::warn!(%failure, "cannot mend before the rollback");
        }
        let attempt = journal.run().started(Purpose::Rollback) + 1;
        match self
            .provider
            .start_rollback(journal.folder(), attempt)
            .await
        {
            Ok(process) => self.write(journal, Record::Process(process)),
            Err(failure) => {
                let message = "the rollback cannot be started".into();
                self.apply(journal, Input::RollbackFailed, message, failure.evidence)
            }
        }
    }

    pub(super) async fn compare_rollback(
        &self,
        journal: &mut Journal,
    ) -> Result<Advance, EngineFault> {
        let (input, message, evidence) = match self.provider.compare(journal.folder()).await {
            Ok(differences) if differences.is_empty() => (
                Input::RolledBack,
                "every package is as before".to_owned(),
                Vec::new(),
            ),
            Ok(differences) => (
                Input::RollbackFailed,
                "packages differ from before".to_owned(),
                differences,
            ),
            Err(failure) => (
                Input::RollbackFailed,
                "the host cannot be compared".to_owned(),
                failure.evidence,
            ),
        };
        self.apply(journal, input, message, evidence)?;
        Ok(Advance::Moved)
    }

    pub(super) fn fail(&self, journal: &mut Journal, failure: Failure) -> Result<(), EngineFault> {
        let message = failure.cause.next_step().to_owned();
        self.apply(
            journal,
            Input::Fail(failure.cause),
            message,
            failure.evidence,
        )
    }

    fn refuse(&self, journal: &mut Journal, refused: Refused) -> Result<(), EngineFault> {
        self.apply(
            journal,
            Input::Refuse(refused.refusal),
            refused.detail,
            Vec::new(),
        )
    }
}
