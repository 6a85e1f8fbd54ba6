//! What an event says in the ledger.
//!
//! Invariants: a leaf names no person (free text of people is hashed with the organization's salt); an order or
//! approval is released only if its document is what the event says.

use chrono::{DateTime, Utc};
use netpatch_inventory_api::{InventoryEventV1, RiskInput};
use netpatch_policy_api::{PolicyEventV1, Subject};
use netpatch_proof::leaf::{APPROVAL_DECIDED, HALT_SIGNED, ORDER_SIGNED, RUN_RESULT};
use netpatch_proof::pack::{ApprovalFacts, DocumentKind, HaltFacts, OrderFacts, RunResultFacts};
use netpatch_proof::{Envelope, LeafActor, LedgerLeaf};
use netpatch_reporting_api::{NewLedgerEntry, ReportingEventV1};
use netpatch_scheduler_api::SchedulerEventV1;
use netpatch_types::{Actor, ActorKind, DeploymentId, Sha256, TenantId};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A signed document that an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The kind.
    pub kind: DocumentKind,
    /// SHA-256 of the payload.
    pub digest: Sha256,
    /// The envelope as it came, protobuf.
    pub envelope: Vec<u8>,
}

/// An entry before it has a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// The event that it records; the same event is recorded once.
    pub event: Uuid,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What.
    pub action: String,
    /// Who.
    pub actor: Actor,
    /// To what.
    pub subject: String,
    /// Of which deployment, to find it for the evidence pack.
    pub deployment: Option<DeploymentId>,
    /// The signed document.
    pub document: Option<Document>,
    /// Words without person data.
    pub details: BTreeMap<String, String>,
    /// Free text of a person: only its salted hash goes into the leaf.
    pub private: BTreeMap<String, String>,
    /// What may go on once the entry stands in the log.
    pub release: Option<Release>,
}

/// An event that is sent when the entry is logged, with its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release(ReportingEventV1);

impl Release {
    /// The event with the entry's sequence.
    #[must_use]
    pub(crate) fn event(&self, at: u64) -> ReportingEventV1 {
        let mut event = self.0.clone();
        match &mut event {
            ReportingEventV1::OrderLogged { sequence, .. }
            | ReportingEventV1::ApprovalLogged { sequence, .. } => *sequence = at,
        }
        event
    }
}

impl Draft {
    /// The leaf at a place of the log.
    #[must_use]
    pub(crate) fn leaf(&self, tenant: TenantId, sequence: u64, salt: &[u8; 32]) -> LedgerLeaf {
        let mut details = self.details.clone();
        for (name, text) in &self.private {
            let mut bytes = salt.to_vec();
            bytes.extend_from_slice(text.as_bytes());
            details.insert(format!("{name}_hash"), Sha256::of(&bytes).to_string());
        }
        LedgerLeaf {
            version: netpatch_proof::leaf::LEAF_VERSION,
            tenant,
            sequence,
            // The database keeps microseconds; the leaf says the same.
            at: DateTime::from_timestamp_micros(self.at.timestamp_micros()).unwrap_or(self.at),
            action: self.action.clone(),
            actor: LeafActor::new(self.actor.kind, self.actor.id, salt),
            subject: self.subject.clone(),
            digest: self.document.as_ref().map(|document| document.digest),
            details,
        }
    }

    fn new(event: Uuid, at: DateTime<Utc>, action: &str, actor: Actor, subject: String) -> Self {
        Self {
            event,
            at,
            action: action.to_owned(),
            actor,
            subject,
            deployment: None,
            document: None,
            details: BTreeMap::new(),
            private: BTreeMap::new(),
            release: None,
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// A person's words are hashed, a program's stand there.
    fn with_reason(mut self, reason: &str) -> Self {
        if reason.is_empty() {
            return self;
        }
        let person = self.actor.kind == ActorKind::User;
        let target = if person {
            &mut self.private
        } else {
            &mut self.details
        };
        target.insert("reason".to_owned(), reason.to_owned());
        self
    }

    /// Takes the document if it is what the event says, else writes down why not; whether it was taken.
    fn take(
        &mut self,
        kind: DocumentKind,
        envelope: &[u8],
        check: impl FnOnce(&Envelope) -> Result<(), String>,
    ) -> bool {
        let read = Envelope::from_protobuf(envelope)
            .map_err(|error| error.to_string())
            .and_then(|read| {
                if read.payload_type != kind.payload_type() {
                    return Err(format!(
                        "a document of type {}",
                        read.payload_type.chars().take(80).collect::<String>()
                    ));
                }
                check(&read).map(|()| read)
            });
        match read {
            Ok(read) => {
                self.document = Some(Document {
                    kind,
                    digest: read.digest(),
                    envelope: envelope.to_vec(),
                });
                true
            }
            Err(problem) => {
                self.details.insert("document_refused".to_owned(), problem);
                false
            }
        }
    }
}

fn program(tenant: TenantId, kind: ActorKind, id: Uuid, display: &str) -> Actor {
    Actor {
        kind,
        id,
        home: tenant,
        display: display.to_owned(),
        delegation: None,
    }
}

fn equal<T: PartialEq>(found: T, expected: T, what: &str) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("it names another {what}"))
    }
}

/// What the ledger says of an event of policy.
#[must_use]
pub(crate) fn of_policy(
    tenant: TenantId,
    id: Uuid,
    at: DateTime<Utc>,
    event: &PolicyEventV1,
) -> Option<Draft> {
    match event {
        PolicyEventV1::PolicyChanged {
            policy,
            name,
            digest,
            by,
        } => Some(
            Draft::new(
                id,
                at,
                "policy.changed",
                by.clone(),
                format!("policy:{policy}"),
            )
            .with("name", name)
            .with("spec_sha256", digest.to_string()),
        ),
        PolicyEventV1::WindowChanged {
            window,
            name,
            digest,
            by,
        } => Some(
            Draft::new(
                id,
                at,
                "window.changed",
                by.clone(),
                format!("window:{window}"),
            )
            .with("name", name)
            .with("spec_sha256", digest.to_string()),
        ),
        PolicyEventV1::BaselineChanged {
            baseline,
            name,
            standard,
            followed,
            archived,
            digest,
            by,
        } => {
            let action = if *archived {
                "baseline.archived"
            } else {
                "baseline.changed"
            };
            let subject = format!("baseline:{baseline}");
            Some(
                Draft::new(id, at, action, by.clone(), subject)
                    .with("name", name)
                    .with("standard", standard.as_str())
                    .with("followed", followed.to_string())
                    .with("spec_sha256", digest.to_string()),
            )
        }
        PolicyEventV1::ExceptionChanged {
            exception,
            name,
            until,
            ended,
            digest,
            by,
        } => {
            let action = if *ended {
                "exception.ended"
            } else {
                "exception.requested"
            };
            let subject = format!("exception:{exception}");
            Some(
                Draft::new(id, at, action, by.clone(), subject)
                    .with("name", name)
                    .with("until", until.to_rfc3339())
                    .with("spec_sha256", digest.to_string()),
            )
        }
        PolicyEventV1::ApprovalDecided {
            approval,
            subject,
            status,
            automatic,
            by,
            reason,
            content_digest,
            envelope,
        } => {
            let mut draft = Draft::new(
                id,
                at,
                APPROVAL_DECIDED,
                by.clone(),
                format!("approval:{approval}"),
            )
            .with("status", word(status))
            .with("automatic", automatic.to_string())
            .with_reason(reason);
            draft = match subject {
                Subject::Patch { patch, group } => {
                    let group = group.map_or_else(|| "all".to_owned(), |group| group.to_string());
                    draft.with("patch", patch.public()).with("group", group)
                }
                Subject::Exception { exception } => draft.with("exception", exception.to_string()),
                Subject::Deployment { deployment } => {
                    draft.deployment = Some(*deployment);
                    draft.with("deployment", deployment.to_string())
                }
            };
            if let Some(digest) = content_digest {
                draft = draft.with("content_sha256", digest.to_string());
            }
            let honest = envelope.as_ref().is_none_or(|envelope| {
                draft.take(DocumentKind::Approval, envelope, |read| {
                    let facts =
                        ApprovalFacts::read(&read.payload).map_err(|error| error.to_string())?;
                    equal(facts.organization, tenant, "organization")?;
                    equal(facts.approval, *approval, "approval")
                })
            });
            draft.release = honest.then_some(Release(ReportingEventV1::ApprovalLogged {
                approval: *approval,
                sequence: 0,
            }));
            Some(draft)
        }
        PolicyEventV1::ApprovalRequested { .. } | PolicyEventV1::MembershipChanged { .. } => None,
    }
}

/// What the ledger says of an event of inventory: what somebody changed. Names of fields only; their values may be about persons.
#[must_use]
pub(crate) fn of_inventory(id: Uuid, at: DateTime<Utc>, event: &InventoryEventV1) -> Option<Draft> {
    match event {
        InventoryEventV1::AssetChanged {
            asset,
            host,
            is_new,
            fields,
            origin,
            by,
        } => {
            let action = if *is_new {
                "asset.created"
            } else {
                "asset.changed"
            };
            let draft = Draft::new(id, at, action, by.clone(), format!("asset:{asset}"))
                .with("fields", fields.join(","))
                .with("origin", word(origin));
            Some(match host {
                Some(host) => draft.with("host", host.to_string()),
                None => draft,
            })
        }
        InventoryEventV1::AssetsImported {
            created,
            changed,
            unchanged,
            origin,
            digest,
            by,
        } => Some(
            Draft::new(id, at, "asset.imported", by.clone(), "assets".to_owned())
                .with("created", created.to_string())
                .with("changed", changed.to_string())
                .with("unchanged", unchanged.to_string())
                .with("origin", word(origin))
                .with("sha256", digest.to_string()),
        ),
        InventoryEventV1::SoftwareImported {
            host,
            origin,
            components,
            skipped,
            digest,
            by,
        } => Some(
            Draft::new(
                id,
                at,
                "software.imported",
                by.clone(),
                format!("host:{host}"),
            )
            .with("components", components.to_string())
            .with("skipped", skipped.to_string())
            .with("origin", origin.as_str().to_owned())
            .with("sha256", digest.to_string()),
        ),
        InventoryEventV1::AssetDeleted { asset, by, .. } => Some(Draft::new(
            id,
            at,
            "asset.deleted",
            by.clone(),
            format!("asset:{asset}"),
        )),
        InventoryEventV1::HardwareRulesChanged {
            version,
            rules,
            digest,
            by,
        } => {
            let subject = format!("hardware-rules:{version}");
            Some(
                Draft::new(id, at, "hardware_rules.changed", by.clone(), subject)
                    .with("version", version.to_string())
                    .with("rules", rules.join("; "))
                    .with("rules_sha256", digest.to_string()),
            )
        }
        InventoryEventV1::RiskWeightsChanged {
            version,
            weights,
            digest,
            by,
        } => {
            let subject = format!("risk-weights:{version}");
            let draft = Draft::new(id, at, "risk_weights.changed", by.clone(), subject)
                .with("version", version.to_string())
                .with("weights_sha256", digest.to_string());
            let points = |draft: Draft, input: RiskInput| {
                draft.with(input.as_str(), weights.of(input).to_string())
            };
            Some(RiskInput::ALL.into_iter().fold(draft, points))
        }
        _ => None,
    }
}

/// What the ledger says of an event of the scheduler.
#[must_use]
pub(crate) fn of_scheduler(
    tenant: TenantId,
    id: Uuid,
    at: DateTime<Utc>,
    event: &SchedulerEventV1,
) -> Option<Draft> {
    let scheduler = || program(tenant, ActorKind::System, Uuid::nil(), "scheduler");
    let draft = match event {
        SchedulerEventV1::DeploymentChanged {
            deployment,
            name,
            status,
            reason,
            by,
        } => {
            let mut draft = Draft::new(
                id,
                at,
                "deployment.changed",
                by.clone(),
                format!("deployment:{deployment}"),
            )
            .with("name", name)
            .with("status", word(status))
            .with_reason(reason);
            draft.deployment = Some(*deployment);
            draft
        }
        SchedulerEventV1::OrderSigned {
            deployment,
            wave,
            sequence,
            order,
            envelope,
        } => {
            let mut draft = Draft::new(id, at, ORDER_SIGNED, scheduler(), format!("wave:{wave}"))
                .with("deployment", deployment.to_string())
                .with("order_sequence", sequence.to_string());
            draft.deployment = Some(*deployment);
            let honest = draft.take(DocumentKind::Order, envelope, |read| {
                equal(read.digest(), *order, "digest")?;
                let facts = OrderFacts::read(&read.payload).map_err(|error| error.to_string())?;
                equal(facts.organization, tenant, "organization")?;
                equal(facts.deployment, *deployment, "deployment")?;
                equal(facts.wave, *wave, "wave")
            });
            draft.release = honest.then_some(Release(ReportingEventV1::OrderLogged {
                deployment: *deployment,
                wave: *wave,
                order: *order,
                sequence: 0,
            }));
            draft
        }
        SchedulerEventV1::HaltSigned {
            deployment,
            envelope,
        } => {
            let mut draft = Draft::new(
                id,
                at,
                HALT_SIGNED,
                scheduler(),
                format!("deployment:{deployment}"),
            );
            draft.deployment = Some(*deployment);
            draft.take(DocumentKind::Halt, envelope, |read| {
                let facts = HaltFacts::read(&read.payload).map_err(|error| error.to_string())?;
                equal(facts.organization, tenant, "organization")?;
                equal(facts.deployment, *deployment, "deployment")
            });
            draft
        }
        SchedulerEventV1::RunEnded {
            deployment,
            run,
            host,
            status,
            cause,
            envelope,
        } => {
            let agent = program(tenant, ActorKind::Agent, host.0, "");
            let actor = if envelope.is_some() {
                agent
            } else {
                scheduler()
            };
            let mut draft = Draft::new(id, at, RUN_RESULT, actor, format!("run:{run}"))
                .with("deployment", deployment.to_string())
                .with("host", host.to_string())
                .with("status", status.as_str());
            if !cause.is_empty() {
                draft = draft.with("cause", cause);
            }
            draft.deployment = Some(*deployment);
            if let Some(envelope) = envelope {
                draft.take(DocumentKind::RunResult, envelope, |read| {
                    let facts =
                        RunResultFacts::read(&read.payload).map_err(|error| error.to_string())?;
                    equal(facts.organization, tenant, "organization")?;
                    equal(facts.deployment, *deployment, "deployment")?;
                    equal(facts.host, *host, "host")?;
                    let signed = read.verify(
                        DocumentKind::RunResult.payload_type(),
                        &[facts.public_key],
                        1,
                    );
                    signed.map(|_| ()).map_err(|error| error.to_string())
                });
            }
            draft
        }
        SchedulerEventV1::WaveChanged { .. } | SchedulerEventV1::RunChanged { .. } => return None,
    };
    Some(draft)
}

/// An entry for what happens outside of the services' events.
#[must_use]
pub(crate) fn of_append(new: NewLedgerEntry) -> Draft {
    let mut draft = Draft::new(new.event, new.at, &new.action, new.actor, new.subject);
    draft.details = new.details;
    draft
}

/// The snake-case word that serde writes for a variant.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What the API shows as `details`: the leaf's own.
#[must_use]
pub(crate) fn details_of(leaf: &[u8]) -> BTreeMap<String, String> {
    LedgerLeaf::parse(leaf)
        .map(|leaf| leaf.details)
        .unwrap_or_default()
}

impl serde::Serialize for Release {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Release {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ReportingEventV1::deserialize(deserializer).map(Self)
    }
}
