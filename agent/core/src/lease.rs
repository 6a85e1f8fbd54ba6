//! The director's word about a deployment: freshness statements and halts, newest kept.

use crate::decide::Lease;
use crate::order::{Order, Trust};
use crate::{Refusal, Refused};
use chrono::{DateTime, Duration, Utc};
use netpatch_protocol::document::{Envelope, Freshness, Halt};

/// A statement from further in the future than this is not believed.
const SKEW: Duration = Duration::minutes(5);

/// What is known about one deployment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeploymentWord {
    freshness: Option<Freshness>,
    halted_up_to: Option<u64>,
}

impl DeploymentWord {
    /// Takes a freshness statement; an older one changes nothing.
    pub fn take_freshness(&mut self, freshness: Freshness) {
        let newest = self.freshness.as_ref().map_or(i64::MIN, |held| held.at_ms);
        if freshness.at_ms > newest {
            self.freshness = Some(freshness);
        }
    }

    /// Takes a halt.
    pub fn take_halt(&mut self, halt: &Halt) {
        self.halted_up_to = self.halted_up_to.max(Some(halt.sequence));
    }

    /// Whether an order may start an install now.
    #[must_use]
    pub fn lease(&self, order: &Order, now: DateTime<Utc>) -> Lease {
        if self
            .halted_up_to
            .is_some_and(|sequence| order.sequence <= sequence)
        {
            return Lease::Halted;
        }
        let Some(freshness) = &self.freshness else {
            return Lease::Stale;
        };
        if freshness.sequence > order.sequence {
            return Lease::Halted;
        }
        let Some(at) = DateTime::from_timestamp_millis(freshness.at_ms) else {
            return Lease::Stale;
        };
        if freshness.running && at <= now + SKEW && now < at + order.lease {
            Lease::Fresh
        } else {
            Lease::Stale
        }
    }
}

/// A freshness statement of this organization.
pub fn open_freshness(envelope: &Envelope, trust: &Trust) -> Result<Freshness, Refused> {
    let freshness: Freshness = trust.from_director(envelope)?;
    ours(trust, &freshness.organization_id).map(|()| freshness)
}

/// A halt of this organization.
pub fn open_halt(envelope: &Envelope, trust: &Trust) -> Result<Halt, Refused> {
    let halt: Halt = trust.from_director(envelope)?;
    ours(trust, &halt.organization_id).map(|()| halt)
}

fn ours(trust: &Trust, organization_id: &str) -> Result<(), Refused> {
    if trust.is_ours(organization_id) {
        Ok(())
    } else {
        Err(Refused::new(
            Refusal::NotInCohort,
            "the document is another organization's",
        ))
    }
}
