//! `hostRevoke`, `relayRevoke`: the identity of a machine that is lost, stolen or set up anew.

use super::{answer, payload};
use crate::graphql::context::tenant_id;
use crate::graphql::model::{Host, Relay};
use crate::graphql::once::once;
use crate::graphql::{Result, session};
use crate::ingress::standing_changed;
use async_graphql::{Context, ID, InputObject, Object};
use netpatch_auth::Subject;
use netpatch_inventory_api as inventory;
use netpatch_protocol::SubjectKind;
use netpatch_types::{HostId, RelayId, ServiceError};

/// Ends the identity of a host or relay.
#[derive(Clone, InputObject)]
pub struct RevokeInput {
    /// Which.
    id: ID,
    /// Why; 3 to 500 characters.
    reason: String,
    /// The same key and input again change nothing again.
    idempotency_key: ID,
}

payload! {
    /// Answer of `hostRevoke`.
    HostRevokePayload {
        /// The host.
        host: Host,
    }
}
payload! {
    /// Answer of `relayRevoke`.
    RelayRevokePayload {
        /// The relay.
        relay: Relay,
    }
}

/// Identities of machines.
#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Revokes all certificates of a host: it has to enrol again, and may.
    #[graphql(complexity = "10 + child_complexity")]
    async fn host_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RevokeInput,
    ) -> Result<HostRevokePayload> {
        answer(host(ctx, input).await)
    }

    /// Revokes all certificates of a relay.
    #[graphql(complexity = "10 + child_complexity")]
    async fn relay_revoke(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: RevokeInput,
    ) -> Result<RelayRevokePayload> {
        answer(relay(ctx, input).await)
    }
}

fn check_reason(reason: &str) -> Result<()> {
    if (3..=500).contains(&reason.trim().chars().count()) {
        Ok(())
    } else {
        Err(ServiceError::invalid(
            "reason",
            "a reason has 3 to 500 characters",
        ))
    }
}

async fn host(ctx: &Context<'_>, input: RevokeInput) -> Result<HostRevokePayload> {
    let session = session(ctx)?;
    let (organization, id) = tenant_id::<HostId>(&input.id, HostId::PREFIX, "host")?;
    let request = session
        .inside(organization)
        .map_err(|_| ServiceError::not_found("host"))?;
    check_reason(&input.reason)?;
    let host = session
        .apis
        .inventory
        .host_get(&request, inventory::HostGet { id })
        .await?;
    let subject = Subject {
        organization,
        kind: SubjectKind::Host,
        id: id.0,
    };
    let work = session.apis.auth.certificates_revoke(&request, subject);
    once(
        session,
        &request,
        "hostRevoke",
        &input.idempotency_key,
        &input,
        work,
        |_| vec![id.0],
    )
    .await?;
    // Also when it was repeated: the first time may have ended before this.
    standing_changed(&*session.apis.bus, subject).await;
    Ok(HostRevokePayload {
        host: Some(Host(host)),
        ..Default::default()
    })
}

async fn relay(ctx: &Context<'_>, input: RevokeInput) -> Result<RelayRevokePayload> {
    let session = session(ctx)?;
    let (organization, id) = tenant_id::<RelayId>(&input.id, RelayId::PREFIX, "relay")?;
    let request = session
        .inside(organization)
        .map_err(|_| ServiceError::not_found("relay"))?;
    check_reason(&input.reason)?;
    let relay = session.apis.auth.relay_get(&request, id).await?;
    let subject = Subject {
        organization,
        kind: SubjectKind::Relay,
        id: id.0,
    };
    let work = session.apis.auth.certificates_revoke(&request, subject);
    once(
        session,
        &request,
        "relayRevoke",
        &input.idempotency_key,
        &input,
        work,
        |_| vec![id.0],
    )
    .await?;
    // Also when it was repeated: the first time may have ended before this.
    standing_changed(&*session.apis.bus, subject).await;
    Ok(RelayRevokePayload {
        relay: Some(Relay(relay)),
        ..Default::default()
    })
}
