//! Carries what happens in identity (people, rights, enrolment, claiming) and in the gateway itself (downloads) into the ledger of the
//! organization it happened in.
//!
//! Delivery is at least once; the ledger takes an event once, by its id.

use crate::graphql::context::Apis;
use netpatch_auth::{IdentityEvent, IdentityEventV1};
use netpatch_reporting_api::{LedgerAppend, MAX_APPEND, NewLedgerEntry};
use netpatch_types::{ActorKind, EventEnvelope, RequestContext, ServiceResult, TenantId};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

/// Runs until stopped.
pub async fn run(apis: Apis, stop: CancellationToken) {
    let handle = |events: Vec<EventEnvelope>| append(&apis, events);
    apis.auth
        .events_in_pages("ledger", &*apis.bus, stop, handle)
        .await;
}

/// One call an organization, with its entries in the order of the events.
async fn append(apis: &Apis, events: Vec<EventEnvelope>) -> ServiceResult<()> {
    let mut entries: BTreeMap<TenantId, Vec<NewLedgerEntry>> = BTreeMap::new();
    for event in events {
        let tenant = event.tenant;
        entries.entry(tenant).or_default().extend(new_entry(event));
    }
    for (tenant, entries) in entries {
        for portion in entries.chunks(MAX_APPEND) {
            record(apis, tenant, portion.to_vec()).await?;
        }
    }
    Ok(())
}

/// The entry of an event; none if it cannot be read.
fn new_entry(envelope: EventEnvelope) -> Option<NewLedgerEntry> {
    let (id, at) = (envelope.id, envelope.at);
    let IdentityEvent::V1 { by, event } = match serde_json::from_value(envelope.payload) {
        Ok(event) => event,
        Err(error) => {
            // Of a newer version, which its own process will carry; here it would stop everything behind it.
            tracing::error!(event = %id, %error, "an identity event cannot be read and is not logged");
            return None;
        }
    };
    let (action, subject, details) = entry(&event);
    Some(NewLedgerEntry {
        event: id,
        at,
        action: action.to_owned(),
        actor: by,
        subject,
        details,
    })
}

/// Appends entries, which say in their details what kind of actor acted.
pub(crate) async fn record(
    apis: &Apis,
    tenant: TenantId,
    mut entries: Vec<NewLedgerEntry>,
) -> ServiceResult<()> {
    for NewLedgerEntry { actor, details, .. } in &mut entries {
        details.insert("actor_kind".to_owned(), word(actor.kind).to_owned());
        let delegation = actor.delegation.map(|delegation| delegation.to_string());
        details.extend(delegation.map(|delegation| ("delegation".to_owned(), delegation)));
        // Only the platform appends; it names who acted.
        actor.kind = ActorKind::System;
    }
    let ctx = RequestContext::system(tenant, "identity", apis.auth.clock().now());
    let request = LedgerAppend { entries };
    apis.reporting.ledger_append(&ctx, request).await.map(drop)
}

fn word(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::User => "user",
        ActorKind::ApiClient => "api_client",
        ActorKind::Agent => "agent",
        ActorKind::Relay => "relay",
        ActorKind::System => "system",
    }
}

/// Action, subject and details of an event; ids only, no names of people.
fn entry(event: &IdentityEventV1) -> (&'static str, String, BTreeMap<String, String>) {
    let mut details = BTreeMap::new();
    let mut with = |key: &str, value: String| details.insert(key.to_owned(), value);
    let (action, subject) = match event {
        IdentityEventV1::OrganizationCreated { organization } => (
            "organization.created",
            format!("organization:{organization}"),
        ),
        IdentityEventV1::SiteCreated { site } => ("site.created", format!("site:{site}")),
        IdentityEventV1::SiteChanged {
            site,
            probes_exposure,
            bandwidth,
            serves_proxy,
            staging_hours,
            mirrors,
            uses_deltas,
            direct_allowed,
        } => {
            with("probes_exposure", probes_exposure.to_string());
            with("bandwidth", bandwidth.to_string());
            with("serves_proxy", serves_proxy.to_string());
            let hours: Vec<String> = staging_hours.iter().map(ToString::to_string).collect();
            with("staging_hours", hours.join("; "));
            let of =
                |of: &netpatch_auth::Mirrors| format!("{}: {}", of.repository, of.urls.join(" "));
            let mirrors: Vec<String> = mirrors.iter().map(of).collect();
            with("mirrors", mirrors.join("; "));
            with("uses_deltas", uses_deltas.to_string());
            if let Some(direct_allowed) = direct_allowed {
                with("direct_allowed", direct_allowed.to_string());
            }
            ("site.changed", format!("site:{site}"))
        }
        IdentityEventV1::UserCreated { user } => ("user.created", format!("user:{user}")),
        IdentityEventV1::SignedIn { user } => ("user.signed_in", format!("user:{user}")),
        IdentityEventV1::PasswordChanged { user } => {
            ("user.password_changed", format!("user:{user}"))
        }
        IdentityEventV1::ApiClientCreated { client } => {
            ("api_client.created", format!("api_client:{client}"))
        }
        IdentityEventV1::DelegationChanged {
            delegation,
            partner,
            status,
        } => {
            with("partner", partner.to_string());
            with("status", status.clone());
            ("delegation.changed", format!("delegation:{delegation}"))
        }
        IdentityEventV1::DelegationRequested { customer } => {
            ("delegation.requested", format!("organization:{customer}"))
        }
        IdentityEventV1::TokenCreated { token } => (
            "enrolment_token.created",
            format!("enrolment_token:{token}"),
        ),
        IdentityEventV1::TokenRevoked { token } => (
            "enrolment_token.revoked",
            format!("enrolment_token:{token}"),
        ),
        IdentityEventV1::HostEnrolled { host } => ("host.enrolled", format!("host:{host}")),
        IdentityEventV1::CertificatesRevoked { subject } => {
            ("certificates.revoked", subject.clone())
        }
        IdentityEventV1::RelayClaimed { relay, key } => {
            if let Some(key) = key {
                with("key", key.to_string());
            }
            ("relay.claimed", format!("relay:{relay}"))
        }
        IdentityEventV1::RelayReplaced {
            relay,
            old_key,
            new_key,
        } => {
            with("old_key", old_key.to_string());
            with("new_key", new_key.to_string());
            ("relay.replaced", format!("relay:{relay}"))
        }
    };
    (action, subject, details)
}
