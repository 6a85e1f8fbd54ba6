//! Carries what identity knows of a site and its hosts must know to policy, which tells them in a document that no relay can forge.
//!
//! Delivery is at least once and in order, and what is carried is what identity says now: after the last event both say the same.

use crate::graphql::context::Apis;
use netpatch_auth::{IdentityEvent, IdentityEventV1};
use netpatch_policy_api::SiteWay;
use netpatch_types::{ErrorCode, EventEnvelope, RequestContext, ServiceResult};
use tokio_util::sync::CancellationToken;

/// Runs until stopped.
pub async fn run(apis: Apis, stop: CancellationToken) {
    let handle = |event: EventEnvelope| carry(&apis, event);
    apis.auth
        .events_each("sites", &*apis.bus, stop, handle)
        .await;
}

async fn carry(apis: &Apis, envelope: EventEnvelope) -> ServiceResult<()> {
    let site = match serde_json::from_value(envelope.payload) {
        Ok(IdentityEvent::V1 { event, .. }) => match event {
            IdentityEventV1::SiteCreated { site } | IdentityEventV1::SiteChanged { site, .. } => {
                site
            }
            _ => return Ok(()),
        },
        Err(error) => {
            // Of a newer version, which its own process will carry; here it would stop everything behind it.
            tracing::error!(event = %envelope.id, %error, "an identity event cannot be read and is not carried to policy");
            return Ok(());
        }
    };
    let ctx = RequestContext::system(envelope.tenant, "sites", apis.auth.clock().now());
    let site = match apis.auth.site_get(&ctx, site).await {
        Ok(site) => site,
        Err(gone) if gone.code == ErrorCode::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let way = SiteWay {
        site: site.id,
        direct_allowed: site.direct_allowed,
    };
    apis.policy.site_way_set(&ctx, way).await.map(drop)
}
